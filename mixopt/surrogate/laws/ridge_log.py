"""The ridge law: linear in logarithms of what domains give, the plainest that ranks mixtures well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior

_OFFSET = 1e-3  # share of the tokens below which less is no longer told from none
_LEVEL = 10.0  # prior deviations: of the level,
_SLOPE = 0.3  # and of the slopes, in standard deviations of the measure per log


@dataclass(frozen=True, kw_only=True, slots=True)
class RidgeLog:
    """y = c + sum_j b_j log(h_j + 0.001), h_j the exposure of domain j, with a ridge on b.

    The law to which power laws tend where their powers are small (ridge: Hoerl and Kennard 1970).
    """

    name: str = "ridge_log"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(_sum_of_logs(features), features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class SumOfLogs:
    """The curve c + sum_j b_j (log(h_j + 0.001) - centre_j).

    Attributes:
        prior: of c and b [M].
        centre: [M] mean logarithms of the runs.
    """

    prior: Prior
    centre: Vector

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        logs = np.log(exposures + _OFFSET) - self.centre
        slopes = np.column_stack([np.ones(len(logs)), logs])
        return slopes @ parameters, slopes, parameters[1:] * exposures / (exposures + _OFFSET)


def _sum_of_logs(features: Features) -> SumOfLogs:
    centre = np.log(features.doses + _OFFSET).mean(axis=0)
    deviations = np.append(_LEVEL, np.full(len(centre), _SLOPE))
    prior = Prior(centre=np.zeros(len(deviations)), precision=deviations**-2)
    return SumOfLogs(prior=prior, centre=centre)
