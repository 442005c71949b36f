"""Which few schedules to train at a larger size, so that they teach most about all measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.kernel import matern
from mixopt.surrogate.laws.law import Matrix, Vector

_SCATTER = 0.2  # of a run about its calibration, in deviations of the predictions
_LENGTH = 0.5  # distance over which what calibrations leave goes together, as a root share
_BEND = 0.2  # size of what calibrations leave, in deviations of the predictions
_INTERCEPT = 10.0  # deviation of intercepts: as good as free
_WORST = 0.25  # what learning about the worst schedule is worth, where the best is worth 1
_MOST = 4096  # candidates that are looked at


def choose_informative(
    laws: Sequence[MeasureLaw],
    candidates: Features,
    count: int,
    *,
    seed: int,
    always: Sequence[int] = (),
) -> NDArray[np.int64]:
    """Return which candidates to train at a larger size; [count], in the order of choice.

    The first are those that are always wanted, as the natural mixture, then the best one predicted.
    Others are chosen one at a time: each is the run whose value is least known given the runs
    chosen so far, under an intercept and a slope for every measure and a residual that varies
    with the mixture (Bayesian D-optimality: Chaloner and Verdinelli 1995, section 2.2). Candidates
    that are predicted to be good count for more, since they are what is to be ranked.

    Args:
        laws: P laws of the smaller size.
        candidates: N schedules.
        count: how many to choose.
        seed: names the candidates that are looked at where there are too many.
        always: rows that are among the chosen.

    Raises:
        LawError: there is no law, or there are fewer candidates than asked for.
    """
    if not laws or candidates.num_rows < count:
        message = f"{count} runs cannot be chosen from {candidates.num_rows} schedules"
        remedy = "Offer more schedules, and at least one law."
        raise LawError(message, remedy=remedy)
    looked = _looked_at(candidates.num_rows, always, seed)
    rows = candidates.rows(looked)
    known = Known(costs=_standard_costs(laws, rows), roots=np.sqrt(rows.doses))
    merit = _merit(known.costs.mean(axis=0))
    first = [int(np.flatnonzero(looked == row)[0]) for row in always] + [int(np.argmax(merit))]
    chosen: list[int] = []
    while len(chosen) < count:
        gains = np.log1p(known.variance / _SCATTER**2).mean(axis=0) * merit
        gains[chosen] = -np.inf
        wanted = [place for place in first if place not in chosen]
        chosen.append(wanted[0] if wanted else int(np.argmax(gains)))
        known.learn(chosen[-1])
    return np.asarray(looked[chosen])


class Known:
    """What would be known of P measures of N schedules if some of them were trained.

    Only the columns of the chosen schedules are formed (a pivoted Cholesky factorization).

    Attributes:
        costs: [P, N] standardized predictions.
        variance: [P, N] of the measures at the larger size, given the chosen.
    """

    def __init__(self, *, costs: Matrix, roots: Matrix) -> None:
        """Begin with nothing chosen; `roots` [N, M] are square roots of doses."""
        self.costs = costs
        self.variance = _INTERCEPT**2 + costs**2 + _BEND**2
        self._roots = roots
        self._factors: list[Matrix] = []

    def learn(self, place: int) -> None:
        """Take note that a schedule is trained."""
        squares = ((self._roots - self._roots[place]) ** 2).sum(axis=1) / _LENGTH**2
        column = _INTERCEPT**2 + self.costs * self.costs[:, [place]] + _BEND**2 * matern(squares)
        for factor in self._factors:
            column = column - factor * factor[:, [place]]
        scale = np.sqrt(self.variance[:, [place]] + _SCATTER**2)
        self._factors.append(column / scale)
        self.variance = np.maximum(self.variance - (column / scale) ** 2, 0.0)


def _standard_costs(laws: Sequence[MeasureLaw], candidates: Features) -> Matrix:
    """Return [P, N] predicted costs, every measure with mean 0 and deviation 1."""
    costs = np.array([law.sign * law.predict(candidates).mean for law in laws])
    spread = costs.std(axis=1, keepdims=True)
    return np.asarray((costs - costs.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1))


def _merit(costs: Vector) -> Vector:
    """Return what it is worth to learn about every schedule: 1 for the best, least for the worst."""
    rank = np.argsort(np.argsort(costs, kind="stable"), kind="stable")
    return np.asarray(1 - (1 - _WORST) * rank / max(len(costs) - 1, 1))


def _looked_at(count: int, always: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return the rows that are looked at: all, or some thousands with those always wanted."""
    if count <= _MOST:
        return np.arange(count)
    drawn = seeds.generator(seed, "informative", "candidates").permutation(count)[:_MOST]
    return np.union1d(drawn, np.array(always, np.int64))
