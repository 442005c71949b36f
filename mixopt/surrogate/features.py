"""What a law sees of a schedule: mean mixtures of the lm stages and their shares of the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.schedule.schedule import Schedule, Stage

_VARIES = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """N schedules of S lm stages over M domains.

    Attributes:
        domains: the M domains, in the order of the last axis.
        stages: names of the S lm stages, in order.
        weights: [N, S, M] mean mixture of every stage, shares of tokens.
        tokens: [N, S] share of the lm tokens that every stage has; rows sum to 1.
    """

    domains: tuple[str, ...]
    stages: tuple[str, ...]
    weights: NDArray[np.float64]
    tokens: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.tokens), len(self.stages), len(self.domains))
        if self.weights.shape != shape or self.tokens.shape != shape[:2]:
            message = f"weights {self.weights.shape} and tokens {self.tokens.shape} for {shape}"
            raise ValueError(message)

    @property
    def num_rows(self) -> int:
        """How many schedules there are (N)."""
        return len(self.tokens)

    @property
    def doses(self) -> NDArray[np.float64]:
        """[N, M] share of all lm tokens that every domain gives."""
        return np.asarray(np.einsum("ns,nsm->nm", self.tokens, self.weights))

    @property
    def varying_tokens(self) -> NDArray[np.bool_]:
        """[S] whether the stage's share of the tokens differs between rows."""
        return np.asarray(np.ptp(self.tokens, axis=0) > _VARIES)

    def rows(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Features:
        """Return some of the schedules, in the order of the index."""
        return Features(
            domains=self.domains,
            stages=self.stages,
            weights=self.weights[index],
            tokens=self.tokens[index],
        )


def schedule_features(schedules: Sequence[Schedule], domains: tuple[str, ...]) -> Features:
    """Return the features of schedules that have the same lm stages.

    Args:
        schedules: N of them.
        domains: the M domains of the columns; must cover every domain that an lm stage names.

    Raises:
        LawError: there is no schedule, their lm stages differ, or a domain is missing.
    """
    if not schedules:
        message = "no schedule to describe"
        raise LawError(message, remedy="Run some trials first.")
    stages = [tuple(stage for stage in s.stages if stage.kind == "lm") for s in schedules]
    names = tuple(stage.name for stage in stages[0])
    for schedule, found in zip(schedules, stages, strict=True):
        if tuple(stage.name for stage in found) != names:
            message = f"schedule '{schedule.name}' has other lm stages than the first"
            why = f"One has {', '.join(names)}, the other {', '.join(s.name for s in found)}."
            raise LawError(message, why=why, remedy="Fit schedules of one recipe together.")
    tokens = np.array([[stage.tokens for stage in found] for found in stages], float)
    return Features(
        domains=domains,
        stages=names,
        weights=np.array([[_weights(stage, domains) for stage in found] for found in stages]),
        tokens=tokens / tokens.sum(axis=1, keepdims=True),
    )


def _weights(stage: Stage, domains: tuple[str, ...]) -> list[float]:
    shares = stage.curve.mean().as_dict()
    unknown = shares.keys() - set(domains)
    if unknown:
        message = f"stage '{stage.name}' draws from domains that the law does not know"
        raise LawError(
            message,
            why=f"Unknown: {', '.join(sorted(unknown))}; known: {', '.join(domains)}.",
            remedy="Name every text domain of the catalog.",
        )
    return [shares.get(name, 0.0) for name in domains]
