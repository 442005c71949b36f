"""Aioli: more of the domains that, as brief trials show, lower all losses together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import (
    Need,
    Observation,
    PolicyState,
    advance,
    start,
    take,
    tilt,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aioli:
    """Linear mixing optimization (Chen et al. 2024, arXiv:2411.05735, algorithms 1 and 2).

    The losses are taken to follow L_{t+1} = L_t - A_t^T p_t, with A[i, j] how far training on domain
    i lowers the loss of j, the observation's `transfers`. Then

        A <- (A - min(A, 0)) / sum of all,    p_i <- p_i exp(rate sum over j of A_ij) / Z.

    Rate 0.2 is the paper's, and the floor is ours. The paper measures A in training: it trains on
    mixtures with one domain ahead for a few steps in turn, and solves for A. Short steps on single
    domains, tried apart, find the same without a change of what is trained on. Its scripts can smooth
    A over time and then start every update from uniform weights; its authors advise to begin without.
    """

    rate: float = 0.2
    floor: float = 1e-3  # share of the prior
    name: str = "aioli"
    needs: frozenset[Need] = frozenset({"transfers"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior."""
        return start(domains, prior)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Raise the domains that lower the losses."""
        found = take(state, observation, "transfers")
        found = found - min(float(found.min()), 0.0)
        total = found.sum()
        gains = found.sum(axis=1) / total if total > 0 else np.zeros(len(found))
        return advance(state, observation, tilt(state.mixture, self.rate * gains), self.floor)
