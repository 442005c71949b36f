"""What holds for every online policy in the table."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pupils import attend, is_same, plan_with

from mixopt.corpus.store import TokenStore
from mixopt.schedule.schedule import Online
from mixopt.training.online.policy import (
    Need,
    Observation,
    Policy,
    PolicyState,
)
from mixopt.training.online.table import POLICIES
from mixopt.training.sessions.online import OnlineSession

DOMAINS = tuple("abcde")
PRIOR = np.array([0.3, 0.3, 0.2, 0.15, 0.05])
SPEED = np.array([0.1, 0.2, 0.3, 0.4, 0.5])  # exponents of the laws of a made-up world
LEVEL = np.array([2.0, 1.0, 3.0, 0.5, 1.5])

each_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))


def _observe(step: int, tokens: NDArray[np.float64]) -> Observation:
    """Show a world in which more tokens of a domain, or of its neighbour, lower its loss."""
    near = np.eye(5) + 0.3 * np.eye(5, k=1) + 0.1 * np.eye(5, k=-2)
    losses = LEVEL + 3 * (1 + near.T @ tokens / 100) ** -SPEED
    return Observation(
        step=step,
        tokens=tokens,
        losses=losses,
        reference_losses=LEVEL + 0.8,
        alignments=near * SPEED[:, None],
        transfers=near * (losses - LEVEL),
    )


def _run(policy: Policy, state: PolicyState, steps: range) -> list[PolicyState]:
    states = []
    for step in steps:
        state = policy.update(state, _observe(step, 10.0 * step * PRIOR))
        states.append(state)
    return states


def _permuted(observation: Observation, order: NDArray[np.int64]) -> Observation:
    changes: dict[str, Any] = {}
    for field in fields(observation):
        value = getattr(observation, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = value[np.ix_(*[order] * value.ndim)]
    return _with(observation, changes)


def _alike(step: int, level: float) -> Observation:
    """Show domains that differ in nothing."""
    return Observation(
        step=step,
        tokens=10.0 * step * PRIOR,
        losses=np.full(5, level),
        reference_losses=np.full(5, 1.0),
        alignments=np.full((5, 5), 0.3),
        transfers=np.full((5, 5), 0.2),
    )


def _spoiled(name: str, value: float) -> Observation:
    observation = _observe(20, 200 * PRIOR)
    values = np.array(getattr(observation, name), float)
    values[2] = value
    return _with(observation, {name: values})


def _content(state: PolicyState) -> list[object]:
    """Return all that a state knows, to the bit."""
    memory = {name: (values.shape, values.tobytes()) for name, values in state.memory.items()}
    return [state.mixture.tobytes(), state.prior.tobytes(), state.step, state.updates, memory]


def _with(observation: Observation, changes: dict[str, Any]) -> Observation:
    return replace(observation, **changes)


@each_policy
def test_starts_on_the_prior(policy: Policy) -> None:
    state = policy.init(DOMAINS, PRIOR)
    np.testing.assert_array_equal(state.mixture, PRIOR)
    assert (state.step, state.updates, state.domains) == (0, 0, DOMAINS)
    with pytest.raises(ValueError, match="sum to 1"):
        policy.init(DOMAINS, PRIOR[:4])


@each_policy
def test_stays_on_the_simplex_and_above_its_floor(policy: Policy) -> None:
    floor = getattr(policy, "floor") * PRIOR  # noqa: B009 - a field of all, not of the protocol
    states = _run(policy, policy.init(DOMAINS, PRIOR), range(20, 2000, 20))
    table = np.stack([state.mixture for state in states])
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert (table >= floor * (1 - 1e-9)).all()
    assert np.abs(table - PRIOR).max() > 0.01, "a policy that never moves proves nothing"


@each_policy
def test_equal_domains_keep_the_prior(policy: Policy) -> None:
    state = policy.init(DOMAINS, PRIOR)
    for number in range(1, 30):
        state = policy.update(state, _alike(20 * number, 3 * number**-0.3))
        np.testing.assert_allclose(state.mixture, PRIOR, rtol=1e-9)


@each_policy
def test_the_order_of_domains_does_not_matter(policy: Policy) -> None:
    order = np.array([3, 0, 4, 2, 1])
    state = policy.init(DOMAINS, PRIOR)
    other = policy.init(tuple(DOMAINS[index] for index in order), PRIOR[order])
    for step in range(20, 600, 20):
        observation = _observe(step, 10.0 * step * PRIOR)
        state = policy.update(state, observation)
        other = policy.update(other, _permuted(observation, order))
    np.testing.assert_allclose(other.mixture, state.mixture[order], rtol=1e-9)


@each_policy
def test_an_update_leaves_the_state_before_as_it_was(policy: Policy) -> None:
    state = _run(policy, policy.init(DOMAINS, PRIOR), range(20, 300, 20))[-1]
    before = _content(state)
    first, again = (policy.update(state, _observe(300, 3000 * PRIOR)) for _ in range(2))
    assert _content(state) == before
    assert _content(first) == _content(again) != before


@each_policy
@pytest.mark.parametrize("value", [1e300, -1e300])
def test_extreme_values_are_bounded(policy: Policy, value: float) -> None:
    state = _run(policy, policy.init(DOMAINS, PRIOR), range(20, 300, 20))[-1]
    for number, name in enumerate(sorted(policy.needs)):
        spoiled = replace(_spoiled(name, value), step=300 + number)
        state = policy.update(state, spoiled)
        assert np.isfinite(state.mixture).all()
    state = _run(policy, state, range(320, 3000, 20))[-1]
    assert np.isfinite(state.mixture).all()
    assert state.mixture.min() > 0


@each_policy
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_need_that_is_no_number_is_refused_by_name(policy: Policy, value: float) -> None:
    state = policy.init(DOMAINS, PRIOR)
    for name in policy.needs:
        with pytest.raises(ValueError, match=f"step 20: {name} of c must be finite"):
            policy.update(state, _spoiled(name, value))


@each_policy
def test_needs_are_needed_and_enough(policy: Policy) -> None:
    state, whole = policy.init(DOMAINS, PRIOR), _observe(20, 200 * PRIOR)
    every: tuple[Need, ...] = ("losses", "reference_losses", "alignments", "transfers")
    unused: dict[str, None] = {name: None for name in every if name not in policy.needs}
    policy.update(state, _with(whole, unused))
    for name in policy.needs:
        with pytest.raises(ValueError, match=f"needs {name}"):
            policy.update(state, _with(whole, {name: None}))


@each_policy
def test_an_observation_counts_once(policy: Policy) -> None:
    observation = _observe(20, 200 * PRIOR)
    state = policy.update(policy.init(DOMAINS, PRIOR), observation)
    with pytest.raises(ValueError, match="after one at step 20"):
        policy.update(state, observation)


@each_policy
def test_a_domain_without_prior_gets_nothing(policy: Policy) -> None:
    prior = np.array([0.4, 0.3, 0.3, 0.0, 0.0])
    state = policy.init(DOMAINS, prior)
    for step in range(20, 600, 20):
        state = policy.update(state, _observe(step, 10.0 * step * prior))
    np.testing.assert_array_equal(state.mixture[3:], 0)
    assert np.isfinite(state.mixture).all()


@each_policy
def test_one_domain_is_all_there_is(policy: Policy) -> None:
    state = policy.init(("only",), [1.0])
    ones = np.ones((1, 1))
    for step in (20, 40, 60):
        observation = Observation(
            step=step,
            tokens=[step],
            losses=[3 / step],
            reference_losses=[0.1],
            alignments=ones,
            transfers=ones,
        )
        state = policy.update(state, observation)
    np.testing.assert_array_equal(state.mixture, [1.0])


@each_policy
def test_a_pupil_ends_in_company_as_alone(tiny_store: TokenStore, policy: Policy) -> None:
    online = Online(policy=policy.name, updates=4)
    plans = [plan_with(tiny_store, seed, share=0.3 + 0.2 * seed, online=online) for seed in (0, 1)]
    together = attend(OnlineSession(), tiny_store, plans)
    for plan, (ending, state) in zip(plans, together, strict=True):
        ((alone, expected),) = attend(OnlineSession(), tiny_store, [plan])
        assert ending == alone
        assert is_same(state, expected)
        assert ending.outcome is not None
        assert len(ending.outcome.mixtures) == 4
        assert ending.figures["updates"] == 3
