"""The log-linear law: a floor and one exponential that is linear in what a mixture gives."""

from __future__ import annotations

from dataclasses import dataclass

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.exponential_mixing import exponentials
from mixopt.surrogate.laws.exposure import fit_curve
from mixopt.surrogate.laws.law import Vector
from mixopt.surrogate.laws.least_squares import FittedForm


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLinear:
    """y = c + exp(t_0 + sum_j t_j h_j), h_j the exposure of domain j.

    Olmix (arXiv 2602.12237, section 3), which is the exponential mixing law with one term. The
    paper fits it with a Huber loss and no ridge from hundreds of starts; here the ridge on t pulls
    its entries together as far as the runs allow.
    """

    name: str = "log_linear"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedForm:  # noqa: ARG002 - nothing is drawn
        """Return the law, averaged over strengths of its prior."""
        return fit_curve(exponentials(features, 1), features, values, noise)
