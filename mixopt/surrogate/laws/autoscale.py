"""The AutoScale law: a power law in the tokens of every domain on top of what the others give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior

_LEVEL = (0.0, 10.0)  # prior centres and deviations: of the floor,
_HEIGHT = (0.0, 1.0)  # of log b,
_EQUIVALENT = (np.log(0.03), 1.0)  # of log n, in shares of all tokens,
_POWER = (np.log(0.03), 1.0)  # and of log gamma


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoScale:
    """y = c + b sum_j (n_j + h_j)^(-gamma_j), h_j the exposure of domain j.

    AutoScale (Kang et al. 2024, arXiv 2407.20177, section 4): sum_i (N0_i + N_i)^(-gamma_i) + l,
    where N0_i are the tokens of domain i that the other domains are worth together. Tokens are
    counted in shares of the run, so that b stands for the unit.
    """

    name: str = "autoscale"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(_sum_of_offsets(len(features.domains)), features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class SumOfOffsetPowers:
    """The curve c + b sum_j ((n_j + h_j)^(-gamma_j) - 1), which is 0 where gamma is.

    Attributes:
        prior: of c, log b, log n [M] and log gamma [M].
    """

    prior: Prior

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        num_domains = exposures.shape[1]
        height = np.exp(np.clip(parameters[1], -9.0, 9.0))
        equivalent = np.exp(np.clip(parameters[2 : 2 + num_domains], -12.0, 6.0))
        power = np.exp(np.clip(parameters[2 + num_domains :], -12.0, 2.0))
        amount = equivalent + exposures
        logs = np.log(amount)
        fallen = height * np.exp(np.minimum(-power * logs, 30.0))
        above = (fallen - height).sum(axis=1)
        by_amount = -power * fallen / amount
        slopes = [
            np.ones((len(amount), 1)),
            above[:, None],
            by_amount * equivalent,
            -power * fallen * logs,
        ]
        return parameters[0] + above, np.hstack(slopes), by_amount * exposures


def _sum_of_offsets(num_domains: int) -> SumOfOffsetPowers:
    pairs = [_LEVEL, _HEIGHT, *[_EQUIVALENT] * num_domains, *[_POWER] * num_domains]
    centres, deviations = np.array(pairs).T
    return SumOfOffsetPowers(prior=Prior(centre=centres, precision=deviations**-2))
