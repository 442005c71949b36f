"""The additive scaling law: what the mixture costs, plus what parameters and tokens are short of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Matrix, Vector
from mixopt.surrogate.laws.least_squares import Prior, fit_form

_TINY = 1e-8  # a share below which it counts as this much
_LARGEST = 30.0  # of exponents of e
_VARIES = 1e-6  # of logarithms of a size
_BENDS = (np.log(0.5), 0.5)  # prior of log gamma, exponents of shares
_POWERS = (np.log(0.3), 0.5)  # prior of log alpha and log beta
_WORTH = 1.5  # prior deviation of the log worth of a domain
_FREE = 10.0  # prior deviation of levels and heights
_MIXED = 0.5  # prior deviation of how a domain changes the term of a size


@dataclass(frozen=True, kw_only=True, slots=True)
class AdditiveScaling:
    """L = E + 1 / sum_j C_j w_j^gamma_j + A / N^alpha + B / D^beta.

    "Scaling laws for optimal data mixtures" (arXiv 2507.09404), the additive form, and its joint
    form, where A and B also depend on the mixture: A = (sum_j a_j w_j)^gamma_A, and B alike. Here w
    are token-weighted doses, N the parameters of the model and D the tokens of all lm stages. The
    term of a size that does not vary between runs is a part of E.

    Attributes:
        joint: whether A and B depend on the mixture.
    """

    joint: bool = True

    @property
    def name(self) -> str:
        """The name in tables and reports."""
        return "joint_scaling" if self.joint else "additive_scaling"

    def applies(self, features: Features) -> bool:
        """Return whether sizes are known and vary."""
        sizes = (features.parameters, features.total_tokens)
        return any((size > 0).all() and _varies(size) for size in sizes)

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedLaw:  # noqa: ARG002 - nothing is drawn
        """Return the law of least penalized squares.

        Raises:
            LawError: a size varies between runs and is not known for all of them.
        """
        sizes = (features.parameters, features.total_tokens)
        for name, size in zip(("parameters", "total tokens"), sizes, strict=True):
            if (size <= 0).any() and (size > 0).any():
                message = f"the {name} of some runs are not known"
                raise LawError(message, remedy="Give them for all runs, or for none.")
        varying = tuple(index for index in (0, 1) if _varies(sizes[index]))
        units = tuple(float(np.exp(np.log(sizes[index]).mean())) for index in varying)
        form = SharesAndSizes(
            num_domains=len(features.domains), varying=varying, units=units, joint=self.joint
        )
        return fit_form(form, features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class SharesAndSizes:
    """The equation.

    Parameters are E, log C_j, log gamma_j and, for every size that varies, the log of its height,
    the log of its power and, in the joint form, log gamma_A and the logs of a_j.

    Attributes:
        num_domains: M.
        varying: which sizes vary: 0 parameters, 1 tokens.
        units: of these sizes, their geometric means over the runs.
        joint: whether the heights depend on the mixture.
    """

    num_domains: int
    varying: tuple[int, ...]
    units: tuple[float, ...]
    joint: bool

    @property
    def prior(self) -> Prior:
        """What is expected: square-root like worths, powers near 0.3, heights alike for all."""
        count = self.num_domains
        parts = [(-2.0, _FREE, 1), (0.0, _WORTH, count), (*_BENDS, count)]
        for _ in self.varying:
            parts += [(-1.0, _FREE, 1), (*_POWERS, 1)]
            parts += [(0.0, _MIXED, 1), (0.0, _MIXED, count)] if self.joint else []
        return Prior(
            centre=np.concatenate([np.full(size, centre) for centre, _, size in parts]),
            precision=np.concatenate([np.full(size, spread**-2) for _, spread, size in parts]),
        )

    def columns(self, features: Features) -> Matrix:
        """Return [N, M + sizes]: doses, then logarithms of the sizes that vary, in their units."""
        sizes = (features.parameters, features.total_tokens)
        logs = [
            np.log(np.maximum(sizes[index], 1e-300) / unit)
            for index, unit in zip(self.varying, self.units, strict=True)
        ]
        return np.column_stack([np.maximum(features.doses, _TINY), *logs])

    def value(self, columns: Matrix, parameters: Vector) -> tuple[Vector, Matrix]:
        """Return the equation at every row and its derivatives."""
        doses, logs = columns[:, : self.num_domains], columns[:, self.num_domains :]
        end = 1 + 2 * self.num_domains
        value, slopes = _mixture(doses, parameters[1:end])
        blocks = [np.ones((len(doses), 1)), slopes]
        value = value + parameters[0]
        parts: Sequence[Vector] = (
            list(parameters[end:].reshape(len(self.varying), -1)) if self.varying else ()
        )
        for part, log in zip(parts, logs.T, strict=True):
            term, slopes = _size(doses, log, part)
            value = value + term
            blocks.append(slopes)
        return value, np.hstack(blocks)


def _mixture(doses: Matrix, parameters: Vector) -> tuple[Vector, Matrix]:
    """Return 1 / sum_j C_j w_j^gamma_j with its derivatives by log C_j and log gamma_j."""
    count = doses.shape[1]
    bends = np.exp(np.clip(parameters[count:], -4.0, 2.0))
    logs = np.log(doses)
    worth = np.exp(np.clip(parameters[:count] + bends * logs, -_LARGEST, _LARGEST))
    value = 1 / worth.sum(axis=1)
    by_worth = -(value**2)[:, None] * worth
    return value, np.hstack([by_worth, by_worth * bends * logs])


def _size(doses: Matrix, log: Vector, parameters: Vector) -> tuple[Vector, Matrix]:
    """Return the term of one size with its derivatives; parameters as in `SharesAndSizes`."""
    power = np.exp(min(parameters[1], 2.0))
    exponent = parameters[0] - power * log
    shares = np.zeros((len(doses), 0))
    if len(parameters) > 2:
        height = doses * np.exp(np.clip(parameters[3:], -_LARGEST, _LARGEST))
        total, bend = height.sum(axis=1), np.exp(min(parameters[2], 3.0))
        exponent = exponent + bend * np.log(total)
        shares = np.column_stack([bend * np.log(total), bend * height / total[:, None]])
    value = np.exp(np.minimum(exponent, _LARGEST))
    return value, value[:, None] * np.column_stack([np.ones(len(log)), -power * log, shares])


def _varies(size: Vector) -> bool:
    return bool((size > 0).all() and np.ptp(np.log(size)) > _VARIES)
