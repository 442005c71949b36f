"""A weighted sum of measures, each predicted by its own law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Prediction

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedCombination:
    """Fitted laws of P measures and their coefficients.

    Attributes:
        members: P fitted laws.
        coefficients: [P] of their costs in the sum's cost.
        correlation: [P, P] between the members' misses.
    """

    members: tuple[FittedLaw, ...]
    coefficients: Vector
    correlation: Matrix

    def predict(self, features: Features) -> Prediction:
        """Return the weighted sum of the members' predictions; see `weighted_sum`."""
        each = [member.predict(features) for member in self.members]
        return weighted_sum(each, self.coefficients, self.correlation)


def weighted_sum(
    each: Sequence[Prediction], coefficients: Vector, correlation: Matrix
) -> Prediction:
    """Return the mean and the deviation of a weighted sum of correlated predictions.

    Args:
        each: P predictions of N rows.
        coefficients: [P].
        correlation: [P, P] between the errors of the predictions.
    """
    means = np.stack([found.mean for found in each])
    parts = coefficients[:, None] * np.stack([found.deviation for found in each])
    variance = np.einsum("pn,pq,qn->n", parts, correlation, parts)
    return Prediction(mean=coefficients @ means, deviation=np.sqrt(np.maximum(variance, 0.0)))


def correlation_of(misses: Matrix) -> Matrix:
    """Return how the misses of P measures go together.

    Args:
        misses: [P, N], of the same runs.

    Returns:
        [P, P] mean products over the roots of mean squares; misses are not centred, as a bias that
        measures share is an error that they share.
    """
    sizes = np.sqrt(np.mean(misses**2, axis=1))
    scaled = misses / np.where(sizes > 0, sizes, 1.0)[:, None]
    found = scaled @ scaled.T / misses.shape[1]
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
