"""ODM: a bandit that pulls the domains of high loss, and explores ever less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import Need, Observation, PolicyState, advance, start, take, tilt


@dataclass(frozen=True, kw_only=True, slots=True)
class OnlineDataMixing:
    """Online data mixing by Exp3 (Albalak et al. 2023, arXiv:2312.02406, algorithm 1).

    At step t, with M domains and e_t = min(1/M, sqrt(ln M / (M t))),

        R_j <- keep R_j + (1 - keep) L_j / p_j,
        p_j  = (1 - M e_t) exp(e_{t-1} R_j) / Z + e_t,

    where L is the loss, p the mixture and keep 0.9. The paper explores the uniform mixture; here
    the prior takes its place, 1 / p_j is M prior_j / p_j, and the two are one where it is uniform. The
    exploration ends at the floor, which the paper has not. As rewards are bounded and e_t falls, the
    mixture returns to the prior in a long run.
    """

    keep: float = 0.9  # of the rewards before
    floor: float = 1e-3  # share of the prior, once exploration is less
    name: str = "odm"
    needs: frozenset[Need] = frozenset({"losses"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior, without rewards."""
        return start(domains, prior, {"rewards": np.zeros(len(domains))})

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Add the losses to the rewards."""
        losses, num_domains = take(state, observation, "losses"), len(state.domains)
        rarity = np.divide(
            state.prior, state.mixture, out=np.ones(num_domains), where=state.mixture > 0
        )
        rewards = self.keep * state.memory["rewards"]
        rewards = rewards + (1 - self.keep) * num_domains * rarity * losses
        weights = tilt(state.prior, exploration(num_domains, state.step) * rewards)
        floor = max(self.floor, num_domains * exploration(num_domains, observation.step))
        return advance(state, observation, weights, floor, {"rewards": rewards})


def exploration(num_domains: int, step: int) -> float:
    """Return e_t, the probability that each domain keeps whatever its rewards."""
    if step < 1:
        return 1 / num_domains
    return min(1 / num_domains, math.sqrt(math.log(num_domains) / (num_domains * step)))
