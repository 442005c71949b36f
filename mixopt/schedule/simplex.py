"""Geometry of the simplex: Dirichlet draws as a bijection from the unit cube, caps, divergence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv

_TINY = 1e-9
_BELOW_ONE = float(np.nextafter(1.0, 0.0))  # at 1 itself, a fraction would leave nothing

Weights = NDArray[np.float64]


def from_cube(coordinates: ArrayLike, concentration: ArrayLike) -> Weights:
    """Map a point of the unit cube to the simplex; uniform points become Dirichlet draws.

    Stick breaking with the inverse distribution functions of the Beta marginals
    (Connor and Mosimann, 1969): fraction j of what is left is Beta(a_j, a_{j+1} + ... + a_M).

    Args:
        coordinates: [M - 1] numbers in [0, 1].
        concentration: [M] positive Dirichlet parameters.

    Returns:
        [M] weights that sum to 1.
    """
    cube = np.clip(np.asarray(coordinates, float), 0.0, _BELOW_ONE)
    parameters = np.asarray(concentration, float)
    fractions = betaincinv(parameters[:-1], _tails(parameters), cube)
    left = np.concatenate([[1.0], np.cumprod(1 - fractions)])
    weights = np.append(fractions, 1.0) * left
    return np.asarray(weights / weights.sum())


def to_cube(weights: ArrayLike, concentration: ArrayLike) -> NDArray[np.float64]:
    """Return the point of the unit cube that `from_cube` maps to these weights; [M - 1]."""
    parameters = np.asarray(concentration, float)
    share = np.clip(np.asarray(weights, float), _TINY, None)
    share = share / share.sum()
    left = np.cumsum(share[::-1])[::-1]
    fractions = np.clip(share[:-1] / left[:-1], 0.0, 1.0)
    return np.asarray(betainc(parameters[:-1], _tails(parameters), fractions))


def cap(weights: ArrayLike, caps: ArrayLike) -> Weights:
    """Return the nearest mixture under per-domain caps: what is cut goes to the rest in proportion.

    This is the projection in KL(projection || weights) onto {w <= caps}; domains of weight zero
    receive something only when all others are full.

    Args:
        weights: [M] weights that sum to 1.
        caps: [M] largest weight of each domain.

    Raises:
        ValueError: the caps sum to less than 1.
    """
    share, limit = np.asarray(weights, float), np.asarray(caps, float)
    if limit.sum() < 1 - 1e-9:
        message = f"caps sum to {limit.sum():.4f}, less than 1"
        raise ValueError(message)
    free = np.ones(len(share), bool)
    result = share.copy()
    for _ in range(len(share) + 1):
        room = 1 - limit[~free].sum()
        base = share[free] if share[free].sum() > _TINY else limit[free] + _TINY
        result = limit.copy()
        result[free] = room * base / base.sum() if free.any() else 0.0
        over = free & (result > limit + 1e-12)
        if not over.any():
            break
        free &= ~over
    return np.asarray(np.minimum(result, limit) / np.minimum(result, limit).sum())


def divergence(weights: ArrayLike, prior: ArrayLike) -> float:
    """Return KL(weights || prior) in nats; zero weights count nothing."""
    share, base = np.asarray(weights, float), np.asarray(prior, float)
    some = share > 0
    return float(np.sum(share[some] * np.log(share[some] / np.maximum(base[some], _TINY))))


def apportion(shares: ArrayLike, total: int) -> NDArray[np.int64]:
    """Split a whole number by shares, exactly (largest remainder; ties go to the first).

    Args:
        shares: [M] non-negative numbers, any positive sum.
        total: what to split.

    Returns:
        [M] integers that sum to `total`.
    """
    wanted = np.asarray(shares, float)
    exact = wanted / wanted.sum() * total
    counts: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    missing = total - int(counts.sum())
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[:missing]] += 1
    return counts


def _tails(concentration: Weights) -> Weights:
    return np.asarray(np.cumsum(concentration[::-1])[::-1][1:])
