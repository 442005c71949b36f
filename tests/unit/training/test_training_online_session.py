from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike
from pupils import attend, is_same, plan_with
from tiny import TEXT_DOMAINS

from mixopt.corpus.store import TokenStore
from mixopt.schedule.curve import constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.layout import StageOutcome, lay_out
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.plan import Plan
from mixopt.schedule.schedule import Online
from mixopt.training.online.policy import Need, Observation, PolicyState, start
from mixopt.training.sessions import course
from mixopt.training.sessions.online import OnlineSession
from mixopt.training.sessions.session import Bench, Ending, Pupil

pytestmark = pytest.mark.usefixtures("one_thread")


def _plan(
    store: TokenStore, seed: int = 0, policy: str = "learning_progress", share: float = 0.5
) -> Plan:
    return plan_with(store, seed, share=share, online=Online(policy=policy, updates=4))


def test_every_block_has_a_mixture_and_the_first_is_the_prior(tiny_store: TokenStore) -> None:
    ((ending, _),) = attend(OnlineSession(), tiny_store, [_plan(tiny_store)])
    assert ending.outcome is not None
    table = np.array(ending.outcome.mixtures)
    assert table.shape == (4, 3)
    np.testing.assert_allclose(table[0], 1 / 3)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert (ending.steps, ending.diverged, ending.figures["updates"]) == (12, False, 3)
    assert ending.figures["largest_change"] == pytest.approx(np.abs(np.diff(table, axis=0)).max())
    assert ending.figures["largest_change"] > 0.01


@pytest.mark.parametrize(("stage", "opened"), [(0, None), (1, None), (1, 7)])
def test_the_resolved_plan_draws_what_was_trained_on(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch, stage: int, opened: int | None
) -> None:
    seen: list[np.ndarray] = []
    draw = Plan.draw

    def noted(self: Plan, stage: int, steps: np.ndarray) -> object:
        found = draw(self, stage, steps)
        seen.append(np.concatenate([steps[:, None], found.sequences, found.sources], axis=1))
        return found

    monkeypatch.setattr(Plan, "draw", noted)
    online = Online(policy="learning_progress", updates=6)
    gate = None if opened is None else Gate(measure="m", below=0.0, every=0.1)
    before = {0: StageOutcome(steps=opened)}
    plan = plan_with(tiny_store, online=online, gate=gate).resolve(before)
    steps = np.arange(12 if opened is None else 17)
    assert plan.stages[stage].steps == len(steps)
    ((ending, _),) = attend(OnlineSession(), tiny_store, [plan], stage=stage)
    assert ending.outcome is not None
    last = {int(row[0]): row for block in seen for row in block}  # a step is trained with its last
    expected = draw(plan.resolve(before | {stage: ending.outcome}), stage, steps)
    found = np.stack([last[step][1:3] for step in steps.tolist()])
    np.testing.assert_array_equal(found, expected.sequences)
    assert not np.array_equal(found, draw(plan, stage, steps).sequences)


@pytest.mark.parametrize("policy", ["odm", "doremi", "skill_it"])
def test_a_pupil_ends_in_company_as_alone(tiny_store: TokenStore, policy: str) -> None:
    others = [("doge", 0.7), ("doremi", 0.3)]
    plans = [_plan(tiny_store, 1, policy)]
    plans += [_plan(tiny_store, 2 + n, name, share) for n, (name, share) in enumerate(others)]
    together = attend(OnlineSession(), tiny_store, plans)
    assert len({ending.steps for ending, _ in together}) == 3
    for plan, (ending, state) in zip(plans, together, strict=True):
        ((alone, expected),) = attend(OnlineSession(), tiny_store, [plan])
        assert ending == alone
        assert is_same(state, expected)


def test_a_policy_that_asks_for_the_prior_trains_as_without_one(tiny_store: TokenStore) -> None:
    online = Online(policy="ado", updates=1)
    ((ending, state),) = attend(OnlineSession(), tiny_store, [plan_with(tiny_store, online=online)])
    ((_, twice),) = attend(
        OnlineSession(),
        tiny_store,
        [plan_with(tiny_store, online=replace(online, policy="doremi"))],
    )
    assert ending.outcome == StageOutcome(mixtures=((1 / 3, 1 / 3, 1 / 3),))
    assert is_same(state, twice)


def test_steps_count_once_even_where_a_reference_comes_first(tiny_store: TokenStore) -> None:
    steps: Counter[int] = Counter()
    plans = [_plan(tiny_store, 0, "doremi"), _plan(tiny_store, 1, "odm")]
    attend(OnlineSession(), tiny_store, plans, progress=lambda slot: steps.update([slot]))
    assert steps == {0: 12, 1: 12}


@pytest.mark.parametrize("extra", [0.0, 0.1, 0.4])
def test_no_domain_is_drawn_beyond_its_limit(tiny_store: TokenStore, extra: float) -> None:
    plan = _plan(tiny_store)
    limits = {name: epochs + extra for name, epochs in plan.epochs().items()}
    free, held = (
        attend(OnlineSession(given), tiny_store, [plan])[0][0].outcome
        for given in (lambda _: {}, lambda _: limits)
    )
    assert free is not None
    assert held is not None
    sizes = {pool.domain: pool.num_sequences for pool in plan.pools}
    for name, epochs in plan.resolve({0: held}).epochs().items():
        assert epochs <= limits[name] + 1.01 / sizes[name]
    assert extra or free != held


class _Greedy:
    """A policy that wants nothing but prose."""

    needs: frozenset[Need] = frozenset()

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        wanted = np.array([float(name == "prose") for name in domains])
        return replace(start(domains, prior), mixture=wanted)

    def update(self, state: PolicyState, _observation: Observation) -> PolicyState:
        return state


def test_room_is_left_for_a_gate_that_opens_early(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "POLICIES", {"learning_progress": _Greedy()})
    plan = _plan(tiny_store)
    first, second, sft = plan.stages
    calm, late = (
        replace(second.stage, online=None, curve=constant(mixture_of({name: 1.0})), name=name)
        for name in ("notes", "prose")
    )
    gate = Gate(measure="bits_per_byte/prose", below=99.0, earliest=0.1, latest=0.9, every=0.1)
    stages = (calm, replace(late, gate=gate))
    parts = [replace(second, stage=each, planned=12) for each in stages]
    chain = replace(plan, stages=lay_out([first, *parts, sft], plan.sources, {}))
    limits = {name: epochs + 0.2 for name, epochs in chain.epochs().items()}
    ((ending, _),) = attend(OnlineSession(lambda _: limits), tiny_store, [chain])
    assert ending.outcome is not None
    prose = np.array(ending.outcome.mixtures)[:, TEXT_DOMAINS.index("prose")]
    assert prose.mean() <= 1 / 3 + 0.01  # as the prior: all else is kept for the last stage


def test_a_domain_without_a_share_stays_without(tiny_store: TokenStore) -> None:
    weights = {"prose": 0.5, "notes": 0.0, "drills": 0.5}
    plan = plan_with(tiny_store, weights=weights, online=Online(policy="doge", updates=4))
    ((ending, _),) = attend(OnlineSession(), tiny_store, [plan])
    assert ending.outcome is not None
    assert [row[TEXT_DOMAINS.index("notes")] for row in ending.outcome.mixtures] == [0.0] * 4


@pytest.mark.parametrize("policy", ["odm", "doremi", "doge"])
def test_a_lost_pupil_ends_and_the_others_never_notice(tiny_store: TokenStore, policy: str) -> None:
    def spoiled(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
        bench.slots.stack.parameters[0, 0] = np.nan
        return OnlineSession()(bench, pupils)

    plans = [_plan(tiny_store, seed, policy) for seed in (0, 1)]
    (lost, _), (kept, state) = attend(spoiled, tiny_store, plans)
    ((alone, expected),) = attend(OnlineSession(), tiny_store, plans[1:])
    assert (lost.diverged, lost.steps) == (True, 0)
    assert kept == alone
    assert is_same(state, expected)


@pytest.mark.parametrize("leg_steps", [9, 10])
def test_a_pupil_far_worse_than_guessing_is_lost_once_the_leg_is_under_way(
    tiny_store: TokenStore, leg_steps: int
) -> None:
    def spoiled(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
        bench.slots.stack.parameters[0] *= 40.0
        bench.leg_steps = {0: leg_steps}
        return OnlineSession()(bench, pupils)

    ((ending, _),) = attend(spoiled, tiny_store, [_plan(tiny_store)])
    assert (ending.steps == 0) == (leg_steps == 10)
    assert ending.diverged or leg_steps == 9
