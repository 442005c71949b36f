"""Skill-It: more of the domains that unlock what is not learned yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import Need, Observation, PolicyState, advance, start, take, tilt


@dataclass(frozen=True, kw_only=True, slots=True)
class SkillIt:
    """Mirror descent on a graph of skills (Chen et al. 2023, arXiv:2307.14430, algorithm 1).

    With A_ij how far domain i is a prerequisite of j, from 0 to 1,

        p_i ~ prior_i exp(rate sum over the last `window` losses of sum over j of A_ij L_j).

    Rate 0.5 and window 3 are those of the authors' LEGO runs. The graph comes with every observation
    as `transfers`, so that it may be fixed, as in the paper, or measured again; gains count as shares
    of the largest, harm as none. The paper opens with exp(rate sum over j of A_ij), here the prior
    holds until losses are seen. The floor is ours.
    """

    rate: float = 0.5  # per nat
    window: int = 3  # observations
    floor: float = 1e-3  # share of the prior
    name: str = "skill_it"
    needs: frozenset[Need] = frozenset({"losses", "transfers"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior, without losses."""
        return start(domains, prior, {"losses": np.empty((0, len(domains)))})

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Weigh the recent losses with the graph."""
        seen = np.vstack([state.memory["losses"], take(state, observation, "losses")])
        recent = seen[-self.window :]
        graph = np.maximum(take(state, observation, "transfers"), 0)
        if graph.max() > 0:
            graph = graph / graph.max()
        weights = tilt(state.prior, self.rate * graph @ recent.sum(axis=0))
        return advance(state, observation, weights, self.floor, {"losses": recent})
