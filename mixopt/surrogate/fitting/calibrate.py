"""How far a new run may come to lie from its prediction, learned from runs that laws did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.folds import Index
from mixopt.surrogate.laws.law import FittedLaw, Prediction

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LEVEL = 0.95  # of intervals, where none is named
_SHARES = (0.25, 0.5, 0.75, 0.95)  # of the law's own doubt in the doubt of a prediction
_LEAST_DOUBT = 0.05  # share of the squared misses that noise never explains
_SMALL_SAMPLE = 16.0  # how many runs Student's distribution counts for
_OUTSIDE = 0.15  # deviations of the values that one deviation of the columns is worth


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How a law's own doubt and its misses out of fold make intervals.

    The square of the calibrated deviation is

        d(x)^2 = m (1 - a + a q(x)^2 / mean q^2),

    q the law's own deviation, m the mean squared miss less the noise, and a the share of greatest
    likelihood: laws know roughly where they are unsure, and hardly ever how unsure.

    Attributes:
        typical: mean of q^2 out of fold.
        share: a.
        doubt: m, in squared units of the measure.
        noise: mean variance of a measured value, in squared units of the measure.
        misses: [N] absolute misses over the root of d^2 + noise, in ascending order.
    """

    typical: float
    share: float
    doubt: float
    noise: float
    misses: Vector

    def deviation(self, own: Vector) -> Vector:
        """Return the calibrated deviation of the law's mean from the law's own; [N]."""
        return np.asarray(np.sqrt(self.doubt * _shape(own, self.typical, self.share)))

    def half_width(self, deviation: Vector, level: float = LEVEL) -> Vector:
        """Return half the width of the interval of one new run's value; [N].

        Args:
            deviation: [N] calibrated.
            level: share of new runs that the interval shall hold, between 0 and 1.
        """
        reach = np.sqrt(deviation**2 + self.noise)
        return np.asarray(quantile(self.misses, level) * reach)


def calibrate(misses: Vector, own: Vector, noise: Vector) -> Calibration:
    """Learn the calibration of a law from its misses.

    Args:
        misses: [N] measured less predicted, of runs that the law was not fitted to.
        own: [N] the law's own deviations for these predictions.
        noise: [N] variances of the measured values.
    """
    squares, known = float(np.mean(misses**2)), float(np.mean(noise))
    doubt = max(squares - known, _LEAST_DOUBT * squares, 1e-300)
    typical = float(np.mean(own**2))
    fits = [_likelihood(misses, _shape(own, typical, share)) for share in _SHARES]
    share = _SHARES[int(np.argmax(fits))] if typical > 0 else _SHARES[0]
    # Noise that is larger than the misses is no longer believed.
    believed = min(known, squares)
    reach = np.sqrt(doubt * _shape(own, typical, share) + believed)
    return Calibration(
        typical=typical,
        share=share,
        doubt=doubt,
        noise=believed,
        misses=np.sort(np.abs(misses) / reach),
    )


def quantile(misses: Vector, level: float) -> float:
    """Return how many deviations away the given share of new runs lies at most.

    The conformal quantile, the ceil((N + 1) level)-th least of N scaled misses (Vovk, Gammerman and
    Shafer 2005; on cross-validated misses: Barber et al. 2021, "Predictive inference with the
    jackknife+"), does not exist for few runs: beyond the largest miss the tail of Student's
    distribution goes on from there. As it is a jumpy estimate as well, it is averaged with the quantile of
    a Student's distribution of the misses' mean square, which counts for 16 runs.

    Args:
        misses: [N] in ascending order.
        level: between 0 and 1.
    """
    count = len(misses)
    student = stats.t(max(count - 1, 1))
    place = int(np.ceil((count + 1) * level))
    if place <= count:
        conformal = float(misses[max(place, 1) - 1])
    else:
        last = count / (count + 1)
        conformal = float(misses[-1] * student.ppf((1 + level) / 2) / student.ppf((1 + last) / 2))
    formal = float(np.sqrt(np.mean(misses**2)) * student.ppf((1 + level) / 2))
    return (count * conformal + _SMALL_SAMPLE * formal) / (count + _SMALL_SAMPLE)


def coverage(misses: Vector, own: Vector, noise: Vector, fold: Index) -> float:
    """Return the share of runs in the interval that the other folds' misses make.

    Args:
        misses: [N] measured less predicted, out of fold.
        own: [N] the law's own deviations for these predictions.
        noise: [N] variances of the measured values.
        fold: [N] the fold of every row, from 0.
    """
    inside = np.zeros(len(misses), bool)
    for number in range(int(fold.max()) + 1):
        judged = fold == number
        found = calibrate(misses[~judged], own[~judged], noise[~judged])
        width = found.half_width(found.deviation(own[judged]))
        inside[judged] = np.abs(misses[judged]) <= width
    return float(inside.mean())


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far the runs of a table spread in every direction, on the roots of shares.

    Attributes:
        low: [C] least of every column.
        high: [C] greatest of every column.
        scale: root mean variance of the columns.
    """

    low: Vector
    high: Vector
    scale: float

    def outside(self, features: Features) -> Vector:
        """Return how far schedules lie beyond the runs, in deviations of the columns; [N]."""
        rows = _columns(features)
        beyond = np.clip(self.low - rows, 0, None) + np.clip(rows - self.high, 0, None)
        return np.asarray(np.sqrt((beyond**2).sum(axis=1)) / self.scale)


def reach_of(features: Features) -> Reach:
    """Return the reach of N schedules."""
    rows = _columns(features)
    scale = float(np.sqrt(rows.var(axis=0).mean()))
    return Reach(low=rows.min(axis=0), high=rows.max(axis=0), scale=scale or 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Widened:
    """A fitted law with more doubt where no run has been.

    Attributes:
        fitted: the law.
        reach: of the runs that it was fitted to.
        spread: standard deviation of their values.
    """

    fitted: FittedLaw
    reach: Reach
    spread: float

    def predict(self, features: Features) -> Prediction:
        """Return the law's mean with its widened deviation; see `widened`."""
        return widened(self.fitted.predict(features), features, self.reach, self.spread)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated:
    """A fitted law whose deviations are calibrated."""

    fitted: FittedLaw
    calibration: Calibration

    def predict(self, features: Features) -> Prediction:
        """Return the law's mean with its calibrated deviation."""
        found = self.fitted.predict(features)
        return Prediction(mean=found.mean, deviation=self.calibration.deviation(found.deviation))


def widened(found: Prediction, features: Features, reach: Reach, spread: float) -> Prediction:
    """Return a prediction with more doubt where no run has been.

    Each deviation of the columns beyond the runs may change a value by 0.15 of the values' own
    deviation: what a domain does that no run varied is not known.

    Args:
        found: of N schedules.
        features: of these schedules.
        reach: of the runs that the law was fitted to.
        spread: standard deviation of their values.
    """
    more = _OUTSIDE * spread * reach.outside(features)
    return Prediction(mean=found.mean, deviation=np.hypot(found.deviation, more))


def _shape(own: Vector, typical: float, share: float) -> Vector:
    """Return squared deviations of mean one: a constant and the law's own doubt; [N]."""
    relative = own**2 / typical if typical > 0 else np.ones(len(own))
    return np.asarray(1 - share + share * relative)


def _likelihood(misses: Vector, shape: Vector) -> float:
    """Return the log likelihood of misses whose variances are proportional to a shape."""
    level = max(float(np.mean(misses**2 / shape)), 1e-300)
    return float(-np.log(level * shape).sum() / 2)


def _columns(features: Features) -> Matrix:
    """Return [N, C]: roots of every stage's part of the dose, and the settings."""
    given = features.tokens[:, :, None] * features.weights
    roots = np.sqrt(given).reshape(features.num_rows, -1)
    return np.hstack([roots, features.numbers])
