"""The law of one measure: what it predicts, how it was judged, and its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.calibrate import LEVEL, Calibration
from mixopt.surrogate.fitting.folds import Index
from mixopt.surrogate.laws.law import FittedLaw, Prediction
from mixopt.surrogate.runs import Direction
from mixopt.surrogate.scores import LawScore

Vector = NDArray[np.float64]


def sign_of(direction: Direction) -> float:
    """Return what turns values into costs: 1 for a minimized measure, -1 for a maximized one."""
    return 1.0 if direction == "minimize" else -1.0


def _no_numbers() -> Vector:
    return np.empty(0)


def _no_rows() -> Index:
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureLaw:
    """The law of one measure.

    Attributes:
        measure: its name.
        direction: which way is better.
        law: `stack`, or the name of the only family that fitted, or `combination`.
        scores: of every family and of the stack, out of fold, in the order of the table of laws.
        out_of_fold: [N] prediction of every run by laws fitted, and shares learned, without it.
        values: [N] measured.
        domains: the M domains of the features that it reads.
        fitted: all families on all runs; it predicts costs, that is, values times `sign`.
        weights: share of every family in the stack.
        families: every family alone on all runs, by name; they predict costs.
        left_out: why families have no share, by name.
        calibration: what makes intervals; none for a law that was not judged.
        out_of_fold_deviation: [N] calibrated deviations of `out_of_fold`.
        rows: [N] the runs' places in the table that they were taken from.
        fold: [N] which runs were left out together, from 0.
    """

    measure: str
    direction: Direction
    law: str
    scores: tuple[LawScore, ...]
    out_of_fold: Vector
    values: Vector
    domains: tuple[str, ...]
    fitted: FittedLaw
    weights: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, FittedLaw] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None
    out_of_fold_deviation: Vector = field(default_factory=_no_numbers)
    rows: Index = field(default_factory=_no_rows)
    fold: Index = field(default_factory=_no_rows)

    @property
    def sign(self) -> float:
        """What turns values into costs: 1 for a minimized measure, -1 for a maximized one."""
        return sign_of(self.direction)

    def predict(self, features: Features) -> Prediction:
        """Return predictions in units of the measure.

        Raises:
            LawError: the features are about other domains.
        """
        if features.domains != self.domains:
            message = f"the law of '{self.measure}' reads other domains than it is given"
            why = f"It reads {', '.join(self.domains)}; given are {', '.join(features.domains)}."
            raise LawError(message, why=why, remedy="Describe schedules over the law's domains.")
        found = self.fitted.predict(features)
        return Prediction(mean=self.sign * found.mean, deviation=found.deviation)

    def interval(self, features: Features, level: float = LEVEL) -> tuple[Vector, Vector]:
        """Return the ends of the interval in which the measured value of one new run is expected.

        Args:
            features: N schedules.
            level: share of new runs that shall lie within, between 0 and 1.

        Returns:
            [N] low and [N] high, in units of the measure.

        Raises:
            LawError: the features are about other domains, or the law was not calibrated.
        """
        if self.calibration is None:
            message = f"the law of '{self.measure}' was not judged on runs that it did not see"
            raise LawError(message, remedy="Fit it with `fit_measure`.")
        found = self.predict(features)
        width = self.calibration.half_width(found.deviation, level)
        return found.mean - width, found.mean + width
