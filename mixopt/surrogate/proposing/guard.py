"""Guardrails: how likely a schedule makes a measure worse than the natural mixture does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.comparison import Difference
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.proposing.acquire import error_correlation
from mixopt.surrogate.proposing.candidates import Box, Candidates

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LARGEST_RISK: Final = 0.2  # that a guarded measure is worse than at natural by more than its noise
_ROUNDING = 1e-9  # of variances: what is left of them at the anchor itself
_ROWS = 256  # whose errors' correlations are worked out together


def lead(law: MeasureLaw, features: Features, anchor: Features) -> Difference:
    """Return how much better schedules are than an anchor, with the joint deviation of both.

    The law errs alike where schedules are alike: with correlation r of its errors the gain has the
    variance a^2 + b^2 - 2 r a b, which is 0 at the anchor itself and not twice its doubt.

    Args:
        law: of the measure.
        features: N schedules.
        anchor: one schedule.
    """
    found, base = law.predict(features), law.predict(anchor)
    level, doubt = float(base.mean[0]), float(base.deviation[0])
    alike = _correlations(law, features, anchor)
    apart = found.deviation**2 + doubt**2
    variance = apart - 2 * alike * found.deviation * doubt
    return Difference(
        gain=np.asarray(law.sign * (level - found.mean)),
        deviation=np.sqrt(np.where(variance > _ROUNDING * apart, variance, 0.0)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Guards:
    """Laws of G measures that should not be worse than at the natural mixture.

    Attributes:
        laws: of the measures.
        natural: the natural schedule, one row.
        largest_risk: largest probability that a measure is worse by more than its noise.
    """

    laws: tuple[MeasureLaw, ...]
    natural: Features
    largest_risk: float = LARGEST_RISK

    def risks(self, features: Features) -> Matrix:
        """Return the probability that each measure is worse by more than its noise; [G, N]."""
        found = [np.zeros(features.num_rows) for _ in self.laws]
        for place, law in enumerate(self.laws):
            ahead, noise = lead(law, features, self.natural), noise_of(law)
            safe = np.where(ahead.deviation > 0, ahead.deviation, 1.0)
            doubtful = norm.cdf(-(ahead.gain + noise) / safe)
            certain = (ahead.gain + noise < 0).astype(float)
            found[place] = np.where(ahead.deviation > 0, doubtful, certain)
        return np.array(found).reshape(len(self.laws), features.num_rows)

    def violations(self, features: Features) -> Vector:
        """Return by how much the risks are too large; 0 where none is; [N].

        It is the sum, over the measures, of what is missing for the largest risk to be kept, in
        standard deviations of their values.
        """
        total, wide = np.zeros(features.num_rows), float(norm.ppf(1 - self.largest_risk))
        for law in self.laws:
            ahead = lead(law, features, self.natural)
            missing = wide * ahead.deviation - ahead.gain - noise_of(law)
            total += np.clip(missing, 0.0, None) / max(float(law.values.std()), 1e-300)
        return total


def guards_of(laws: Sequence[MeasureLaw], box: Box, domains: tuple[str, ...]) -> Guards:
    """Return guards against the natural mixture of a space.

    Args:
        laws: of the guarded measures.
        box: of the space; its first baseline is the natural mixture.
        domains: of the laws.
    """
    return Guards(laws=tuple(laws), natural=natural_of(box, domains).features)


def natural_of(box: Box, domains: tuple[str, ...]) -> Candidates:
    """Return the natural mixture of a space, after its caps and bounds."""
    return box.look(box.baselines[:1], domains)


def noise_of(law: MeasureLaw) -> float:
    """Return the standard deviation of a measured value over seeds; 0 where it is not known."""
    return 0.0 if law.calibration is None else float(np.sqrt(law.calibration.noise))


def _correlations(law: MeasureLaw, features: Features, anchor: Features) -> Vector:
    """Return the correlation of the law's errors at schedules with that at the anchor; [N]."""
    found = np.empty(features.num_rows)
    for first in range(0, features.num_rows, _ROWS):
        rows = np.arange(first, min(first + _ROWS, features.num_rows))
        both = error_correlation(law, anchor.joined(features.rows(rows)))
        found[rows] = both[0, 1:]
    return np.clip(found, -1.0, 1.0)
