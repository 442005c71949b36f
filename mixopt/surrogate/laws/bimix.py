"""The mixture part of the BiMix law: a power law in what every domain gives, summed over domains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior

_LEVEL = (0.0, 10.0)  # prior centres and deviations: of the value at exposures of 1,
_OFFSET = (np.log(0.01), 0.5)  # of log epsilon,
_FACTOR = (np.log(0.01), 1.2)  # of log F alpha, the slope by the log of the exposure,
_POWER = (np.log(0.1), 0.5)  # and of log alpha


@dataclass(frozen=True, kw_only=True, slots=True)
class BiMix:
    """y = c + sum_j F_j (h_j + epsilon)^(-alpha_j), h_j the exposure of domain j.

    BiMix (Ge et al. 2024, arXiv 2405.14908, equation 1) at one number of steps: A_i / w_i^alpha_i
    for a measure whose own domain is i. Where no own domain is known the sum runs over all, as
    Olmix compares it (arXiv 2602.12237); F has a log-normal prior, so that one domain may dominate.
    """

    name: str = "bimix"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(_sum_of_powers(len(features.domains)), features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class SumOfPowers:
    """The curve c + sum_j b_j ((h_j + epsilon)^(-alpha_j) - 1) / alpha_j, with b = F alpha.

    Attributes:
        prior: of c, log epsilon, log b [M] and log alpha [M].
    """

    prior: Prior

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        num_domains = exposures.shape[1]
        offset = np.exp(np.clip(parameters[1], -12.0, 0.0))
        factor = np.exp(np.clip(parameters[2 : 2 + num_domains], -12.0, 6.0))
        power = np.exp(np.clip(parameters[2 + num_domains :], -6.0, 2.0))
        logs = np.log(exposures + offset)
        fallen = np.exp(np.minimum(-power * logs, 30.0))
        parts = factor * (fallen - 1) / power
        by_amount = -factor * fallen / (exposures + offset)
        slopes = [
            np.ones((len(exposures), 1)),
            by_amount.sum(axis=1, keepdims=True) * offset,
            parts,
            -factor * fallen * logs - parts,
        ]
        return parameters[0] + parts.sum(axis=1), np.hstack(slopes), by_amount * exposures


def _sum_of_powers(num_domains: int) -> SumOfPowers:
    pairs = [_LEVEL, _OFFSET, *[_FACTOR] * num_domains, *[_POWER] * num_domains]
    centres, deviations = np.array(pairs).T
    return SumOfPowers(prior=Prior(centre=centres, precision=deviations**-2))
