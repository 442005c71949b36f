"""DoGE: more of the domains whose gradients point where the others' do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import Need, Observation, PolicyState, advance, start, take, tilt


@dataclass(frozen=True, kw_only=True, slots=True)
class DoGE:
    """Reweighting by estimated generalization (Fan et al. 2023, arXiv:2310.15393, algorithm 1).

    With W_i = <g_i, sum over j of g_j>, the gain of all targets from a step on domain i,

        w_i <- w_i exp(learning rate x W_i / mu) / Z.

    As in the authors' release, W is in units of the mean gradient norm, leaves out a domain's gain
    for itself when the targets are the domains, and is clipped to [0, 5]; its learning rate 5e-4 and
    mu 0.01 make the rate 0.05. It has no floor; one keeps every domain in sight. As with DoReMi, the
    mixture to keep is the mean over the run.
    """

    rate: float = 0.05  # learning rate / mu
    largest_gain: float = 5.0  # in mean gradient norms
    floor: float = 1e-3  # share of the prior
    name: str = "doge"
    needs: frozenset[Need] = frozenset({"alignments"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior."""
        return start(domains, prior)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Raise the domains that serve the targets."""
        gains = take(state, observation, "alignments")
        if gains.ndim == 2:
            gains = gains.sum(axis=1) - np.diag(gains)
        scores = self.rate * np.clip(gains, 0, self.largest_gain)
        return advance(state, observation, tilt(state.mixture, scores), self.floor)
