"""ADO: more of the domains whose own scaling law says that they are learned fastest now."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
)

_EXPONENTS = np.linspace(0.05, 0.8, 31)  # the bounds of the authors' release
_MOST_REMEMBERED = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptiveDataOptimization:
    """Adaptive data optimization (Jiang et al. 2024, arXiv:2410.11820, section 3).

    Every domain's loss is fitted as L_j(n) = floor_j + scale_j n^-exponent_j of all tokens n. Then

        rho_j ~ prior_j credit_j x exponent_j (L_j(n) - floor_j) / n      the speed of learning
        credit_j = (h_j / prior_j)^0.5,   h <- 0.9 h + 0.1 mixture        recent share
        mixture = 0.9 mean of rho over time + 0.1 rho.

    The constants are the paper's. It takes h_j^0.5 without the prior, which is the same where that
    is uniform; elsewhere equal laws would move to the prior squared. It clips mixtures at 0.01, here
    that share of the prior remains. It refits by L-BFGS from a grid; the law is linear but for its
    exponent, so here a grid of exponents with least squares finds the optimum. Until `first` losses
    are seen the prior is kept.
    """

    first: int = 8  # observations before the first fit
    credit_power: float = 0.5
    credit_keep: float = 0.9
    average_share: float = 0.9
    floor: float = 1e-2  # share of the prior
    name: str = "ado"
    needs: frozenset[Need] = frozenset({"losses"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior, with nothing to fit to."""
        state = start(domains, prior)
        memory = {
            "tokens": np.empty(0),
            "losses": np.empty((0, len(domains))),
            "recent": state.prior,
            "average": state.prior,
        }
        return replace(state, memory=memory)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Refit the laws, and ask for what is learned fastest."""
        tokens = np.append(state.memory["tokens"], take(state, observation, "tokens").sum())
        losses = np.vstack([state.memory["losses"], take(state, observation, "losses")])
        recent = self.credit_keep * state.memory["recent"] + (1 - self.credit_keep) * state.mixture
        wanted, average = state.prior, state.memory["average"]
        if len(tokens) >= self.first:
            wanted = self._wanted(state.prior, recent, speeds(tokens, losses))
        weights = self.average_share * average + (1 - self.average_share) * wanted
        share = 1 / (state.updates + 2)
        memory = {
            "tokens": _thinned(tokens),
            "losses": _thinned(losses),
            "recent": recent,
            "average": (1 - share) * average + share * wanted,
        }
        return advance(state, observation, weights, self.floor, memory)

    def _wanted(self, prior: Vector, recent: Vector, speed: Vector) -> Vector:
        credit = np.divide(recent, prior, out=np.zeros_like(prior), where=prior > 0)
        wanted = prior * credit**self.credit_power * speed
        return wanted / wanted.sum() if wanted.sum() > 0 else prior


def speeds(tokens: Vector, losses: Vector) -> Vector:
    """Return how fast each domain is learned now, in nats per e-fold of all tokens.

    Fits floor + scale (n / n_now)^-exponent with floor and scale of at least 0 by least squares, for
    every exponent of a grid, and returns -dL/dn times n_now of the best.

    Args:
        tokens: [H] tokens at each observation, ascending.
        losses: [H, M].

    Returns:
        [M] exponent x scale.
    """
    shape = (np.maximum(tokens, 1) / max(tokens[-1], 1)) ** -_EXPONENTS[:, None]  # [E, H]
    centred = shape - shape.mean(axis=1, keepdims=True)
    spread = np.maximum((centred**2).sum(axis=1), np.finfo(float).tiny)[:, None]
    scale = np.maximum(centred @ losses / spread, 0)  # [E, M]
    floor = losses.mean(axis=0) - scale * shape.mean(axis=1, keepdims=True)
    through_zero = np.maximum(shape @ losses / (shape**2).sum(axis=1)[:, None], 0)
    scale = np.where(floor < 0, through_zero, scale)
    floor = np.maximum(floor, 0)
    fitted = floor[:, None] + scale[:, None] * shape[:, :, None]  # [E, H, M]
    best = ((fitted - losses) ** 2).sum(axis=1).argmin(axis=0)
    return np.asarray(_EXPONENTS[best] * scale[best, np.arange(losses.shape[1])])


def _thinned(history: Vector) -> Vector:
    """Return the history, every second of it when it is full; the last always stays."""
    return history[1::2] if len(history) == _MOST_REMEMBERED else history
