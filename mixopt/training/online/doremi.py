"""DoReMi: more of the domains on which the proxy is furthest behind a reference model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import Need, Observation, PolicyState, advance, start, take, tilt


@dataclass(frozen=True, kw_only=True, slots=True)
class DoReMi:
    """Group-robust reweighting (Xie et al. 2023, arXiv:2305.10429, algorithm 1).

    With excess losses lambda_j = max(L_j - L_j^ref, 0), each update is

        a_j <- a_j exp(rate lambda_j) / Z,    mixture = (1 - floor) a + floor prior.

    Rate 1 and floor 1e-3 are the paper's. It clips the excess of every token before the mean over a
    domain; here only the means are known. Its prior is uniform; any other takes that one's place.
    The mixture to keep is the mean over the run: that of the frozen curve. A poor reference or small
    batches end near one domain; the authors then advise a rate of 0.1.
    """

    rate: float = 1.0  # per nat of excess
    floor: float = 1e-3  # share of the prior
    name: str = "doremi"
    needs: frozenset[Need] = frozenset({"losses", "reference_losses"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior."""
        return start(domains, prior)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Raise the domains with excess loss."""
        losses = take(state, observation, "losses")
        excess = np.maximum(losses - take(state, observation, "reference_losses"), 0)
        return advance(state, observation, tilt(state.mixture, self.rate * excess), self.floor)
