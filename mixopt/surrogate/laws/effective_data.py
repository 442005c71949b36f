"""The effective-data law: a power law in the tokens that a mixture is worth to the measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior

_LEVEL = (0.0, 10.0)  # prior centres and deviations: of the value where a mixture is worth 1,
_SLOPE = (0.0, 0.3)  # of the log of the slope there, in standard deviations per log worth,
_POWER = (np.log(0.1), 0.5)  # of log alpha,
_RETURN = (np.log(0.7), 0.2)  # of log gamma
_WORTH = 1.0  # and the prior deviation of what log k is made of
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveData:
    """y = E + B (sum_j k_j h_j^gamma)^(-alpha), k_j > 0, h_j the exposure of domain j.

    A power law (Hestness et al. 2017, arXiv 1712.00409) whose tokens are counted at what they are
    worth to the measure, after the "effective data transferred" of Hernandez et al. (2021, arXiv
    2102.01293, equation 1.2), where tokens of another domain count as k D^gamma: returns diminish
    within every domain. Fitted as y = c + b (g^(-alpha) - 1) / alpha, which for small alpha is a
    law in log g, so that few runs need not tell E from B.

    A priori log k_j = exp(z_j) - 1 with z_j normal: most domains are worth about the same, few a
    lot more, as is a measure's own domain.
    """

    name: str = "effective_data"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(_effective_data(len(features.domains)), features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerOfWorth:
    """The curve c + b (g^(-alpha) - 1) / alpha with g = sum_j k_j h_j^gamma.

    Attributes:
        prior: of c, log b, log alpha, log gamma and z [M].
    """

    prior: Prior

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        slope, power, returns = np.exp(np.clip(parameters[1:4], -9.0, (6.0, 2.0, 1.0)))
        steep = np.exp(np.clip(parameters[4:], -20.0, 3.0))
        logs = np.log(np.maximum(exposures, _TINY))
        worth = np.exp(returns * logs + steep - 1)
        total = worth.sum(axis=1)
        log_total = np.log(total)
        fallen = np.exp(np.clip(-power * log_total, -30.0, 30.0))
        height = slope * (fallen - 1) / power
        by_log_worth = -(slope * fallen / total)[:, None] * worth
        slopes = [
            np.ones(len(total)),
            height,
            -slope * fallen * log_total - height,
            returns * (by_log_worth * logs).sum(axis=1),
            by_log_worth * steep,
        ]
        return parameters[0] + height, np.column_stack(slopes), returns * by_log_worth


def _effective_data(num_domains: int) -> PowerOfWorth:
    centres, deviations = np.array([_LEVEL, _SLOPE, _POWER, _RETURN]).T
    prior = Prior(
        centre=np.append(centres, np.zeros(num_domains)),
        precision=np.append(deviations, np.full(num_domains, _WORTH)) ** -2,
    )
    return PowerOfWorth(prior=prior)
