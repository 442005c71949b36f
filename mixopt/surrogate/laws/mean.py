"""The plain mean of several laws, which beats a fitted stack while runs are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Law, Prediction, Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """Equal weights for diverse families."""

    laws: tuple[Law, ...]
    name: str = "mean"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedMean:
        """Fit every member to the same runs."""
        return FittedMean(
            members=tuple(law.fit(features, values, noise, seed) for law in self.laws)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedMean:
    """Fitted members."""

    members: tuple[FittedLaw, ...]

    def predict(self, features: Features) -> Prediction:
        """Return the mean of the members' predictions; see `combine`."""
        return combine([member.predict(features) for member in self.members])


def combine(predictions: Sequence[Prediction], weights: Vector | None = None) -> Prediction:
    """Return the moments of a mixture of the members' normal distributions.

    The variance is the mean of the members' variances plus the variance between their means, so
    that disagreement between families counts as doubt.

    Args:
        predictions: F of them.
        weights: [F] shares, of sum one; equal if left out.
    """
    shares = np.full(len(predictions), 1 / len(predictions)) if weights is None else weights
    means = np.stack([prediction.mean for prediction in predictions])
    within = shares @ np.stack([prediction.deviation**2 for prediction in predictions])
    mean = shares @ means
    between = shares @ (means - mean) ** 2
    return Prediction(mean=mean, deviation=np.sqrt(within + between))
