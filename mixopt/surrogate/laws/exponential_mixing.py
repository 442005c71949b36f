"""The exponential mixing law: a floor and a sum of exponentials of what a mixture gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior

_LEVEL = (0.0, 10.0)  # prior centres and deviations: of the value at the mean mixture,
_HEIGHT = (-1.0, 1.0)  # of log k there, in deviations of the measure; e^-1 per further term
_SLOPE = 30.0  # and the deviation of t; a third of it per further term, so that terms differ
_HIGHEST = 20.0  # exponents stop here


@dataclass(frozen=True, kw_only=True, slots=True)
class ExponentialMixing:
    """y = c + sum_i k_i exp(sum_j t_ij h_j), h_j the exposure of domain j.

    Data Mixing Laws (Ye et al. 2024, arXiv 2403.16952): equation 1 is one exponential per
    validation domain; equation 8 sums them over implicit domains that a measure is made of, here
    with their shares s_i within k_i and their floors within c.
    """

    name: str = "exponential_mixing"
    num_implicit_domains: int = 2

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(exponentials(features, self.num_implicit_domains), features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exponentials:
    """The curve c + sum_i k_i (exp(t_i.(h - centre)) - 1) with I terms.

    Attributes:
        prior: of c, log k [I] and t [I, M].
        centre: [M] mean doses of the runs, so that c is the value there.
        num_terms: I.
    """

    prior: Prior
    centre: Vector
    num_terms: int

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        away = exposures - self.centre
        heights = parameters[1 : 1 + self.num_terms]
        slopes = parameters[1 + self.num_terms :].reshape(self.num_terms, -1)
        growth = np.exp(np.minimum(away @ slopes.T + heights, _HIGHEST))
        above = growth - np.exp(heights)
        by_slope = growth[:, :, None] * away[:, None]
        derivatives = [np.ones((len(away), 1)), above, by_slope.reshape(len(away), -1)]
        value = parameters[0] + above.sum(axis=1)
        return value, np.hstack(derivatives), exposures * (growth @ slopes)


def exponentials(features: Features, num_terms: int) -> Exponentials:
    """Return the curve before any run but for where the mixtures lie."""
    centre = features.doses.mean(axis=0)
    heights = _HEIGHT[0] - np.arange(num_terms)
    slopes = np.repeat(_SLOPE / 3.0 ** np.arange(num_terms), len(centre))
    prior = Prior(
        centre=np.concatenate([[_LEVEL[0]], heights, np.zeros(len(slopes))]),
        precision=np.concatenate([[_LEVEL[1]], np.full(num_terms, _HEIGHT[1]), slopes]) ** -2.0,
    )
    return Exponentials(prior=prior, centre=centre, num_terms=num_terms)
