"""The law of continual pre-training on one domain beside general text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Matrix, Vector
from mixopt.surrogate.laws.least_squares import Prior, fit_form

_TWO = 2
_LARGEST = 30.0  # of exponents of e
_LEAST_SHARE = 1e-6
_VARIES = 1e-6  # of logarithms of a size
_POWERS = (np.log(0.3), 0.7)  # prior of the logs of alpha, beta, gamma and eta
_OFFSET = (np.log(0.1), 1.0)  # prior of log epsilon
_FREE = 10.0  # prior deviation of levels and heights


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainContinual:
    """L = E + A / N^alpha + B r^eta / D^beta + C / (r + epsilon)^gamma.

    "D-CPT law: domain-specific continual pre-training scaling law" (arXiv 2406.01375, equation 7), r
    the share of one of two domains, N the parameters of the model, D the tokens of training. For
    the loss on general text the paper takes the share of general text: both shares are tried, and
    the one that fits the runs better stays. The term of a size that does not vary is left out.
    """

    name: str = "domain_continual"

    def applies(self, features: Features) -> bool:
        """Return whether there are two domains."""
        return len(features.domains) == _TWO

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedLaw:  # noqa: ARG002 - nothing is drawn
        """Return the law of the share that leaves the smaller squares.

        Raises:
            LawError: there are not two domains.
        """
        if not self.applies(features):
            message = f"the law of one domain beside general text was given {len(features.domains)}"
            raise LawError(message, remedy="Use it for mixtures of two domains.")
        sizes = (features.parameters, features.total_tokens)
        units = [float(np.exp(np.log(size).mean())) if _varies(size) else 0.0 for size in sizes]
        found = [
            fit_form(
                ShareAndSizes(domain=domain, units=(units[0], units[1])), features, values, noise
            )
            for domain in range(_TWO)
        ]
        return min(found, key=lambda law: float(((law.predict(features).mean - values) ** 2).sum()))


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareAndSizes:
    """The equation; parameters E and the logs of A, alpha, B, eta, beta, C, gamma, epsilon.

    Attributes:
        domain: whose share r is.
        units: geometric means of parameters and tokens over the runs; 0 where they do not vary.
    """

    domain: int
    units: tuple[float, float]

    @property
    def prior(self) -> Prior:
        """What is expected of the nine parameters."""
        centre, spread = _POWERS
        return Prior(
            centre=np.array([-2.0, -1.0, centre, -1.0, centre, centre, -1.0, centre, _OFFSET[0]]),
            precision=np.array(
                [_FREE, _FREE, spread, _FREE, spread, spread, _FREE, spread, _OFFSET[1]]
            )
            ** -2.0,
        )

    def columns(self, features: Features) -> Matrix:
        """Return [N, 3]: the share, and the logs of both sizes in their units."""
        sizes = (features.parameters, features.total_tokens)
        logs = [
            np.log(np.maximum(size, 1e-300) / unit) if unit else np.zeros(len(size))
            for size, unit in zip(sizes, self.units, strict=True)
        ]
        share = np.maximum(features.doses[:, self.domain], _LEAST_SHARE)
        return np.column_stack([share, *logs])

    def value(self, columns: Matrix, parameters: Vector) -> tuple[Vector, Matrix]:
        """Return the equation at every row and its derivatives."""
        share, model, tokens = columns.T
        with_model, with_tokens = (float(unit > 0) for unit in self.units)
        alpha, eta, beta, gamma = np.exp(np.minimum(parameters[[2, 4, 5, 7]], 3.0))
        log, offset = np.log(share), np.exp(np.clip(parameters[8], -_LARGEST, 3.0))
        first = with_model * _power(parameters[1] - alpha * model)
        second = with_tokens * _power(parameters[3] + eta * log - beta * tokens)
        third = _power(parameters[6] - gamma * np.log(share + offset))
        slopes = [
            np.ones(len(share)),
            first,
            -first * alpha * model,
            second,
            second * eta * log,
            -second * beta * tokens,
            third,
            -third * gamma * np.log(share + offset),
            -third * gamma * offset / (share + offset),
        ]
        return parameters[0] + first + second + third, np.column_stack(slopes)


def _power(exponent: Vector) -> Vector:
    return np.asarray(np.exp(np.minimum(exponent, _LARGEST)))


def _varies(size: Vector) -> bool:
    return bool((size > 0).all() and np.ptp(np.log(size)) > _VARIES)
