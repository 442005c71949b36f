"""What every law is: a fit that returns predictions with their own uncertainty."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from mixopt.surrogate.features import Features

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Predictions for N schedules, in units of the measure.

    Attributes:
        mean: [N] expected value.
        deviation: [N] standard deviation of the law's mean; noise of a new run is not included.
    """

    mean: Vector
    deviation: Vector


class FittedLaw(Protocol):
    """A law with its parameters found."""

    def predict(self, features: Features) -> Prediction:
        """Return the prediction for every row."""


class Law(Protocol):
    """A family of functions from schedules to a cost, that is, to a value best when small."""

    @property
    def name(self) -> str:
        """The name in tables and reports."""

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedLaw:
        """Fit the family to runs.

        Args:
            features: N schedules.
            values: [N] costs, finite.
            noise: [N] variance of each value over seeds, in squared units of the values.
            seed: names the random starts; the same seed gives the same law.
        """


class FittedJointLaw(Protocol):
    """A law of several measures with its parameters found."""

    def predict(self, features: Features) -> tuple[Prediction, ...]:
        """Return one prediction per measure, each for every row."""


class JointLaw(Protocol):
    """A family that explains several measures of the same runs together."""

    @property
    def name(self) -> str:
        """The name in tables and reports."""

    def fit(self, features: Features, values: Matrix, noise: Matrix, seed: int) -> FittedJointLaw:
        """Fit the family to runs.

        Args:
            features: N schedules.
            values: [N, P] costs, finite.
            noise: [N, P] variances of the values over seeds, in squared units of the values.
            seed: names the random starts; the same seed gives the same law.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Standard:
    """The affine map between a measure's units and values of mean 0 and standard deviation 1."""

    centre: float
    scale: float

    def inward(self, values: Vector) -> Vector:
        """Return standardized values."""
        return (values - self.centre) / self.scale

    def outward(self, mean: Vector, deviation: Vector) -> Prediction:
        """Return a prediction in units of the measure."""
        return Prediction(mean=mean * self.scale + self.centre, deviation=deviation * self.scale)


def standard(values: Vector) -> Standard:
    """Return the map that standardizes these values; constant values are only shifted."""
    spread = float(values.std())
    return Standard(centre=float(values.mean()), scale=spread if spread > 0 else 1.0)


def single_thread() -> AbstractContextManager[object]:
    """Return a context in which linear algebra runs on one thread.

    Laws factor thousands of small matrices. On threads that wait for one another on a busy machine
    this takes a hundred times as long, and the last bits of the result depend on their number.
    """
    limit: AbstractContextManager[object] = _threads().limit(limits=1, user_api="blas")
    return limit


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()
