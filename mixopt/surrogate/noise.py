"""How noisy each trial is, learned over all trials from the few seeds that each was run with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import standard

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_SLOPES = (0.1, 0.3, 1.0)  # prior deviations of log variance per deviation of a column
_GAIN = 2.0  # log evidence that slopes must gain over one variance for all
_FEWEST_FREEDOM = 8  # below, one variance for all
_MOST_STEPS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Sample variances of trials with several seeds, as shares of the pooled variance.

    Attributes:
        columns: [N, C] a one, then what the log variance is linear in.
        ratios: [N] sample variance over pooled variance.
        freedom: [N] degrees of freedom, seeds less one.
    """

    columns: Matrix
    ratios: Vector
    freedom: Vector

    def fit(self, slope: float) -> tuple[Vector, float]:
        """Return the coefficients [C] of the log variance, and their log evidence.

        A sample variance of v degrees of freedom is the true one times chi-squared over v, so the
        negative log likelihood is, up to a constant, sum v / 2 (h + ratio exp(-h)), which is convex in
        the log variance h (a gamma regression with log link: McCullagh and Nelder 1989, chapter
        8.3.5). Slopes are normal a priori; the evidence is Laplace's.
        """
        held = np.append(1e-6, np.full(self.columns.shape[1] - 1, slope**-2))
        point = np.zeros(self.columns.shape[1])
        for _ in range(_MOST_STEPS):
            step = linalg.solve(self._curvature(point, held), self._slope(point, held))
            point = point - step / max(1.0, float(np.abs(step).max()))
            if np.abs(step).max() < 1e-8:
                break
        size = np.linalg.slogdet(self._curvature(point, held) / np.sqrt(np.outer(held, held)))[1]
        return point, -self._loss(point, held) - float(size) / 2

    def _loss(self, point: Vector, held: Vector) -> float:
        height = self.columns @ point
        fitted = self.freedom @ (height + self.ratios * np.exp(-height))
        return float(fitted + point @ (held * point)) / 2

    def _slope(self, point: Vector, held: Vector) -> Vector:
        pull = self.freedom * (1 - self.ratios * np.exp(-self.columns @ point)) / 2
        return np.asarray(self.columns.T @ pull + held * point)

    def _curvature(self, point: Vector, held: Vector) -> Matrix:
        weight = self.freedom * self.ratios * np.exp(-self.columns @ point) / 2
        return np.asarray((self.columns.T * weight) @ self.columns + np.diag(held))


def smoothed_noise(groups: Sequence[Sequence[float]], features: Features) -> Vector:
    """Return the variance of every trial's mean over its seeds, in squared units of the measure.

    Two seeds tell next to nothing about the noise of one trial, and many trials of two seeds much
    about noise in general. The log variance of one seed is linear in the level of the measure and
    the doses; how far it may leave the pooled variance is chosen by the evidence, so that few or
    even trials share one variance. Trials of a single seed are given what the others teach.

    Args:
        groups: the values of every trial's seeds, N of them, none empty.
        features: the N schedules.

    Returns:
        [N] variances; all 0 where no trial has two seeds.
    """
    counts = np.array([len(group) for group in groups])
    freedom = (counts - 1).astype(float)
    if not freedom.any():
        return np.zeros(len(groups))
    own = np.array([np.var(group, ddof=1) if len(group) > 1 else 0.0 for group in groups])
    pooled = float(freedom @ own / freedom.sum())
    if pooled == 0:
        return np.zeros(len(groups))
    columns = _columns(groups, features)
    several = counts > 1
    known = Spread(columns=columns[several], ratios=own[several] / pooled, freedom=freedom[several])
    return np.asarray(pooled * np.exp(columns @ _coefficients(known)) / counts)


def _coefficients(known: Spread) -> Vector:
    """Return the coefficients of greatest evidence; all 0, the pooled variance, where few are known."""
    best, most = np.zeros(known.columns.shape[1]), _pooled_evidence(known) + _GAIN
    if known.freedom.sum() < _FEWEST_FREEDOM:
        return best
    for slope in _SLOPES:
        found, evidence = known.fit(slope)
        if evidence > most:
            best, most = found, evidence
    return best


def _pooled_evidence(known: Spread) -> float:
    """Return the log evidence of one variance for all, by the same measure as `Spread.fit`."""
    only = Spread(columns=known.columns[:, :1], ratios=known.ratios, freedom=known.freedom)
    return only.fit(1.0)[1]


def _columns(groups: Sequence[Sequence[float]], features: Features) -> Matrix:
    """Return [N, 2 + M]: a one, the standardized level, and doses that together weigh as one column."""
    means = np.array([np.mean(group) for group in groups])
    doses = features.doses - features.doses.mean(axis=0)
    size = float(np.sqrt((doses**2).sum(axis=1).mean()))
    level = standard(means).inward(means)
    return np.column_stack([np.ones(len(means)), level, doses / (size or 1.0)])
