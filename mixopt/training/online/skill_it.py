"""Skill-It: more of the domains that unlock what is not learned yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import (
    Need,
    Observation,
    PolicyState,
    Vector,
    advance,
    start,
    take,
    tilt,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SkillIt:
    """Mirror descent on a graph of skills (Chen et al. 2023, arXiv:2307.14430, algorithm 1).

    With A_ij how far domain i is a prerequisite of j, from 0 to 1,

        p_i ~ prior_i exp(rate sum over the last `window` losses of sum over j of A_ij L_j).

    Rate 0.2 and window 3 are those of the authors' runs on natural instructions. The paper's graph is
    fixed, with ones on the diagonal. Here it is the mean of all `transfers` observed, so that it may
    be fixed or measured again and again; gains count as shares of what a domain gains by itself, at
    most 1, and harm as none. The paper opens with exp(rate sum over j of A_ij), here the prior holds
    until losses are seen. The floor is ours.
    """

    rate: float = 0.2  # per nat
    window: int = 3  # observations
    floor: float = 1e-3  # share of the prior
    name: str = "skill_it"
    needs: frozenset[Need] = frozenset({"losses", "transfers"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior, without losses."""
        count = len(domains)
        memory = {"losses": np.empty((0, count)), "transfers": np.zeros((count, count))}
        return start(domains, prior, memory)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Weigh the recent losses with the graph."""
        seen = np.vstack([state.memory["losses"], take(state, observation, "losses")])
        recent, mean = seen[-self.window :], state.memory["transfers"]
        mean = mean + (take(state, observation, "transfers") - mean) / (state.updates + 1)
        weights = tilt(state.prior, self.rate * _graph(mean) @ recent.sum(axis=0))
        memory = {"losses": recent, "transfers": mean}
        return advance(state, observation, weights, self.floor, memory)


def _graph(transfers: Vector) -> Vector:
    """Return gains [M, M] as shares of the diagonal, or of the largest where that is no gain."""
    gains, own = np.maximum(transfers, 0), np.diag(transfers)
    scale = np.where(own > 0, own, gains.max(axis=0))
    return np.minimum(gains / np.where(scale > 0, scale, 1.0), 1.0)
