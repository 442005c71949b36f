"""The mixtures that an online policy chose, and the ordinary curve that repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.mixture import Mixture, mixture_of, rounded


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A mixture that was trained on from one point of a stage to the next choice, or to its end."""

    since: float  # share of the stage's tokens done, in [0, 1)
    mixture: Mixture


def freeze(trajectory: Sequence[Choice], tolerance: float = 0.01) -> MixtureCurve:
    """Return a piecewise curve with few knots that stays within `tolerance` of a trajectory.

    The full curve goes straight between the middles of the choices' times; where these are equally
    long, it spends exactly the tokens of every domain that were spent. Of its corners the worst is
    inserted until every weight is within the tolerance of it everywhere (Douglas and Peucker, 1973,
    with the largest difference of a weight as distance), so its doses are met within the same.

    Args:
        trajectory: choices in ascending order, the first at 0.
        tolerance: largest difference of any weight.

    Raises:
        ValueError: the choices are none, out of order, or do not begin at 0.
    """
    since = np.array([choice.since for choice in trajectory])
    if not len(since) or since[0] != 0 or (np.diff(since) <= 0).any() or since[-1] >= 1:
        message = f"choices in ascending order from 0 to below 1 are needed, got {since.tolist()}"
        raise ValueError(message)
    domains = tuple(dict.fromkeys(name for each in trajectory for name in each.mixture.domains))
    table = np.stack([choice.mixture.on(domains) for choice in trajectory])
    middles = (since + np.append(since[1:], 1.0)) / 2
    at, rows = np.array([0.0, *middles, 1.0]), np.concatenate([table[:1], table, table[-1:]])
    kept = _corners(at, rows, tolerance)
    knots = tuple(
        Knot(at=float(at[one]), mixture=_mixture(domains, rows[one])) for one in sorted(kept)
    )
    if len(knots) == 2 and knots[0].mixture == knots[1].mixture:
        return constant(knots[0].mixture)
    return MixtureCurve(shape="piecewise", knots=knots)


def _corners(at: NDArray[np.float64], rows: NDArray[np.float64], tolerance: float) -> set[int]:
    """Return which points to keep; `at` is [N], `rows` [N, M]."""
    kept = {0, len(at) - 1}
    while True:
        chosen = sorted(kept)
        drawn = np.stack([np.interp(at, at[chosen], column[chosen]) for column in rows.T], axis=1)
        errors = np.abs(rows - drawn).max(axis=1)
        worst = int(errors.argmax())
        if errors[worst] <= tolerance or worst in kept:
            return kept
        kept.add(worst)


def _mixture(domains: tuple[str, ...], weights: NDArray[np.float64]) -> Mixture:
    return rounded(mixture_of(dict(zip(domains, weights.tolist(), strict=True))))
