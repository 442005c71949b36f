"""The logarithm of costs above a learned floor, in which a process explains them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.laws.law import Prediction

Vector = NDArray[np.float64]

SHIFT = np.log(0.3)  # prior median of the shift, as a share of the range of the costs


@dataclass(frozen=True, kw_only=True, slots=True)
class LogUnits:
    """The map between a measure's units and standardized logarithms above a floor.

    Attributes:
        floor: below every cost, in units of the measure.
        centre: mean of the logarithms.
        scale: standard deviation of the logarithms; 1 where they are all the same.
    """

    floor: float
    centre: float
    scale: float

    def inward(self, values: Vector) -> Vector:
        """Return standardized logarithms; values must lie above the floor."""
        return np.asarray((np.log(values - self.floor) - self.centre) / self.scale)

    def outward(self, mean: Vector, deviation: Vector) -> Prediction:
        """Return the median, and half the width from the 16th to the 84th percentile."""
        above = np.exp(mean * self.scale + self.centre)
        return Prediction(
            mean=self.floor + above, deviation=above * np.sinh(deviation * self.scale)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Warped:
    """Standardized logarithms at one shift, with slopes by the logarithm of the shift.

    Attributes:
        targets: [N] standardized logarithms.
        noise: [N] their known variances.
        cost: minus the log density of the map, summed over rows, up to a constant.
        targets_slope: [N].
        noise_slope: [N].
        cost_slope: of the sum.
    """

    targets: Vector
    noise: Vector
    cost: float
    targets_slope: Vector
    noise_slope: Vector
    cost_slope: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """N costs and their variances, measured from the least in units of their range.

    t = standardized log(y + shift) with the shift learned together with the covariance (Snelson,
    Rasmussen and Ghahramani 2004, "Warped Gaussian processes", equation 5; the map is the shifted
    logarithm of Box and Cox 1964). Loss falls as a power of the data that serves it, so its
    logarithm above a floor is the smoother function; a large shift leaves costs as they are.

    Attributes:
        least: smallest cost.
        span: largest less smallest; 1 where they are all the same.
        above: [N] from 0 to 1.
        noise: [N] variances of `above`.
    """

    least: float
    span: float
    above: Vector
    noise: Vector

    def rows(self, index: NDArray[np.int64]) -> Costs:
        """Return some of the costs, in the same units."""
        return replace(self, above=self.above[index], noise=self.noise[index])

    def warped(self, log_shift: float) -> Warped:
        """Return targets and their slopes at one shift."""
        shift = np.exp(log_shift)
        logs = np.log(self.above + shift)
        scale = float(logs.std()) or 1.0
        targets = (logs - logs.mean()) / scale
        noise = self.noise / ((self.above + shift) * scale) ** 2
        slope = shift / (self.above + shift)
        scale_slope = float(np.mean(targets * slope)) / scale
        return Warped(
            targets=targets,
            noise=noise,
            cost=len(logs) * np.log(scale) + float(logs.sum()),
            targets_slope=(slope - slope.mean()) / scale - targets * scale_slope,
            noise_slope=-2 * noise * (slope + scale_slope),
            cost_slope=len(logs) * scale_slope + float(slope.sum()),
        )

    def units(self, log_shift: float) -> LogUnits:
        """Return the map at one shift."""
        logs = np.log((self.above + np.exp(log_shift)) * self.span)
        return LogUnits(
            floor=self.least - float(np.exp(log_shift)) * self.span,
            centre=float(logs.mean()),
            scale=float(logs.std()) or 1.0,
        )


def costs_of(values: Vector, noise: Vector) -> Costs:
    """Return costs [N] and their variances [N] in units of their range."""
    least = float(values.min())
    span = float(np.ptp(values)) or 1.0
    return Costs(least=least, span=span, above=(values - least) / span, noise=noise / span**2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """N standardized values that are explained as they are.

    Attributes:
        targets: [N].
        noise: [N] their known variances.
    """

    targets: Vector
    noise: Vector

    def rows(self, index: NDArray[np.int64]) -> Given:
        """Return some of the values."""
        return Given(targets=self.targets[index], noise=self.noise[index])

    def warped(self, log_shift: float) -> Warped:  # noqa: ARG002 - there is nothing to shift
        """Return the values; no slope depends on the shift."""
        nothing = np.zeros(len(self.targets))
        return Warped(
            targets=self.targets,
            noise=self.noise,
            cost=0.0,
            targets_slope=nothing,
            noise_slope=nothing,
            cost_slope=0.0,
        )
