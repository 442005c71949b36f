"""How good out-of-fold predictions are: their calibration, their coverage and their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.fitting.calibrate import Calibration, calibrate, coverage
from mixopt.surrogate.fitting.folds import Index
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.scores import LawScore, score

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Out-of-fold predictions of N costs, calibrated.

    Attributes:
        predicted: means and calibrated deviations.
        costs: [N] measured.
        calibration: learned from all misses.
        coverage: share of the runs in 95% intervals that were learned from other folds.
    """

    predicted: Prediction
    costs: Vector
    calibration: Calibration
    coverage: float

    def score(self, law: str) -> LawScore:
        """Return the scores under a law's name."""
        return score(law, self.predicted, self.costs, coverage=self.coverage)


def judge(found: Prediction, costs: Vector, noise: Vector, fold: Index) -> Judged:
    """Calibrate predictions that were made out of fold.

    Args:
        found: means and the law's own deviations; of N rows.
        costs: [N] measured.
        noise: [N] variances of the costs.
        fold: [N] which rows were left out together, from 0.
    """
    misses = costs - found.mean
    calibration = calibrate(misses, found.deviation, noise)
    deviation = calibration.deviation(found.deviation)
    return Judged(
        predicted=Prediction(mean=found.mean, deviation=deviation),
        costs=costs,
        calibration=calibration,
        coverage=coverage(misses, found.deviation, noise, fold),
    )
