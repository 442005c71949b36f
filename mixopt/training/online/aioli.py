"""Aioli: more of the domains that, as brief trials show, lower all losses together."""

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
class Aioli:
    """Linear mixing optimization (Chen et al. 2024, arXiv:2411.05735, algorithms 1 and 2).

    The losses are taken to follow L_{t+1} = L_t - A_t^T p_t, with A[i, j] how far training on domain
    i lowers the loss of j. A is measured in training: the proxy trains on each of `probes` for a few
    steps in turn (the paper: 4 sweeps of 4 steps), and `transfers` solves for A. Then

        A <- (A - min(A, 0)) / sum of all,    p_i <- p_i exp(rate sum over j of A_ij) / Z.

    Rate 0.2 and probes of 0.625 are the paper's. Its scripts can smooth A over time and then start
    every update from uniform weights; its authors advise to begin without. The floor is ours.
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


def probes(num_domains: int, share: float = 0.625) -> Vector:
    """Return the mixtures to try in turn, [M, M]: row i gives `share` to domain i.

    The rest is split evenly; a probe of one domain alone would say nothing of mixtures.
    """
    if num_domains == 1:
        return np.ones((1, 1))
    table = np.full((num_domains, num_domains), (1 - share) / (num_domains - 1))
    np.fill_diagonal(table, share)
    return table


def transfers(mixtures: ArrayLike, drops: ArrayLike) -> Vector:
    """Return A, the drop of every loss by a step on every domain, from brief trials.

    Solves drops = mixtures A by least squares, so sweeps may be repeated or in any order.

    Args:
        mixtures: [S, M] that were trained on.
        drops: [S, M] by how much each domain's loss fell during each trial.

    Returns:
        [M, M]: row i is what training on domain i does to the losses.
    """
    solution = np.linalg.lstsq(np.asarray(mixtures, float), np.asarray(drops, float), rcond=None)
    return np.asarray(solution[0])
