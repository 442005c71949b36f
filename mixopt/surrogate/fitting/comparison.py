"""Mixtures against each other: how much better one is by a law, and how likely it is better at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """N mixtures against N others.

    Attributes:
        gain: [N] how much better the first is, in units of the measure; positive is better.
        deviation: [N] standard deviation of the gain.
    """

    gain: Vector
    deviation: Vector

    @property
    def probability(self) -> Vector:
        """[N] that the first is better; one half where nothing tells them apart."""
        known = self.deviation > 0
        scaled = np.where(known, self.gain / np.where(known, self.deviation, 1.0), 0.0)
        return np.asarray(np.where(known, norm.cdf(scaled), 0.5 + 0.5 * np.sign(self.gain)))

    def interval(self, level: float = 0.95) -> tuple[Vector, Vector]:
        """Return the lower and the upper end of the gain's interval; [N] each."""
        width = norm.ppf(0.5 + level / 2) * self.deviation
        return np.asarray(self.gain - width), np.asarray(self.gain + width)
