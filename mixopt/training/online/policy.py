"""What every online policy is: a state, what it is shown, and the pure step from one state to the next.

Legend: M domains, T targets. A policy starts from a prior and never leaves it for good: a share of
the prior, the floor, stays in every mixture, and a domain of weight zero in the prior gets nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
Need = Literal["losses", "reference_losses", "alignments", "transfers"]

_LARGEST = 1e6  # a loss beyond it is a member that diverged; clipped, all numbers stay finite
_SQUARE = ("alignments", "transfers")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observation:
    """What a policy is shown of a proxy in training; only what it needs has to be there."""

    step: int  # optimizer steps done under the policy, more than at the observation before
    tokens: ArrayLike  # [M] trained on under the policy
    losses: ArrayLike | None = None  # [M] nats per token
    reference_losses: ArrayLike | None = None  # [M] of a model trained on the prior
    alignments: ArrayLike | None = None
    """[M, M] inner products of the gradients of two domains, or [M] of each with the gradient of
    the targets; in units of the mean norm of a domain's gradient."""
    transfers: ArrayLike | None = None  # [M, M] how far training on i (row) lowers the loss of j


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PolicyState:
    """Where a policy stands; all it knows of the past."""

    domains: tuple[str, ...]
    prior: Vector  # [M] shares
    mixture: Vector  # [M] shares to train on until the next observation
    step: int = 0  # of the last observation
    updates: int = 0  # observations seen
    memory: Mapping[str, Vector] = field(default_factory=lambda: MappingProxyType({}))


class Policy(Protocol):
    """A rule that reads losses or gradients and says what to train on next."""

    @property
    def name(self) -> str:
        """The name in recipes and reports."""

    @property
    def needs(self) -> frozenset[Need]:
        """What an observation must bring, besides steps and tokens."""

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Return the state before any observation; its mixture is the prior.

        Args:
            domains: M names.
            prior: [M] shares that sum to 1.
        """

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Return the state after one more observation.

        Raises:
            ValueError: the observation lacks a need, has a number that is not finite, or is not
                later than the one before.
        """


def start(
    domains: tuple[str, ...], prior: ArrayLike, memory: Mapping[str, Vector] | None = None
) -> PolicyState:
    """Return a state that stands on the prior; see `Policy.init`.

    Raises:
        ValueError: the prior is no mixture of these domains.
    """
    shares = np.array(prior, float)
    if shares.shape != (len(domains),) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
        message = f"a prior of {len(domains)} shares that sum to 1 is needed, got {shares.tolist()}"
        raise ValueError(message)
    shares /= shares.sum()
    return PolicyState(
        domains=domains, prior=shares, mixture=shares, memory=MappingProxyType(dict(memory or {}))
    )


def take(state: PolicyState, observation: Observation, name: Need | Literal["tokens"]) -> Vector:
    """Return one array of an observation, [M] or [M, M], checked and with extreme values clipped.

    Raises:
        ValueError: it is missing, of another shape, or has a number that is not finite; or the
            observation is not later than the one before.
    """
    if observation.step <= state.step:
        message = f"an observation at step {observation.step} came after one at step {state.step}"
        raise ValueError(message)
    given: ArrayLike | None = getattr(observation, name)
    if given is None:
        message = f"step {observation.step}: the policy needs {name}, the observation has none"
        raise ValueError(message)
    values, num_domains = np.asarray(given, float), len(state.domains)
    shapes = {
        "alignments": ((num_domains,) * 2, (num_domains,)),
        "transfers": ((num_domains,) * 2,),
    }
    if values.shape not in shapes.get(name, ((num_domains,),)):
        message = f"step {observation.step}: {name} of shape {values.shape}, {num_domains} domains"
        raise ValueError(message)
    if not np.isfinite(values).all():
        rows = ~np.isfinite(values).reshape(num_domains, -1).all(axis=1)
        names = ", ".join(np.array(state.domains)[rows])
        message = f"step {observation.step}: {name} of {names} must be finite, got {values[rows]}"
        raise ValueError(message)
    return values if name == "tokens" else np.clip(values, -_LARGEST, _LARGEST)


def advance(
    state: PolicyState,
    observation: Observation,
    weights: Vector,
    floor: float,
    memory: Mapping[str, Vector] | None = None,
) -> PolicyState:
    """Return the state that follows, with the mixture (1 - floor) weights + floor prior.

    Args:
        state: the state before.
        observation: what was seen.
        weights: [M] shares that the policy asks for.
        floor: share of the prior in the mixture.
        memory: what to remember; None for what is remembered already.
    """
    mixture = (1 - floor) * weights + floor * state.prior
    return PolicyState(
        domains=state.domains,
        prior=state.prior,
        mixture=mixture / mixture.sum(),
        step=observation.step,
        updates=state.updates + 1,
        memory=state.memory if memory is None else MappingProxyType(dict(memory)),
    )


def tilt(weights: Vector, scores: Vector) -> Vector:
    """Return shares in proportion to weights x exp(scores), safe for scores of any size; [M]."""
    some = weights > 0
    tilted = np.zeros_like(weights)
    tilted[some] = weights[some] * np.exp(scores[some] - scores[some].max())
    return np.asarray(tilted / tilted.sum())
