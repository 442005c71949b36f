"""How likely the parameters of a Gaussian process are, and the likeliest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mixopt import seeds
from mixopt.surrogate.laws.kernel import Kernel
from mixopt.surrogate.laws.warp import SHIFT, Warped

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

JITTER: Final = 1e-8  # added to the noise variance of standardized values
_LENGTH = np.log(2.0)  # prior median of a length scale over sqrt(columns), in column deviations
_AMPLITUDES = (0.0, np.log(0.3))  # prior medians: of the first block, of every other
_LINEAR = (np.log(0.1), np.log(0.03))  # of linear parts, alike
_EXTRA_NOISE = np.log(0.05)  # prior median of the extra variance
_NOISE_SPREAD = 2.0  # prior standard deviation of its logarithm; of every other logarithm it is 1
_REACH = 5.0  # how many prior standard deviations are searched
_MOST_ITERATIONS = 100
_TOLERANCES = {"ftol": 1e-5, "gtol": 1e-2, "maxiter": _MOST_ITERATIONS}


class Targets(Protocol):
    """Values that a process explains, which may depend on a shift that is learned with it."""

    def warped(self, log_shift: float) -> Warped:
        """Return standardized targets, their noise, and slopes by the shift."""

    def rows(self, index: NDArray[np.int64]) -> Targets:
        """Return some of the values, in the same units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """What parameters are before the values are seen: independent, normal in their logarithms.

    Attributes:
        medians: [Q] of the logarithms.
        spreads: [Q] their standard deviations.
    """

    medians: Vector
    spreads: Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The posterior density of a process's parameters.

    Parameters are the logarithms of the kernel, then those of the extra variance that all rows
    share and of the shift of the values.

    Attributes:
        kernel: the covariance.
        rows: [N, C] columns.
        targets: [N] values with their noise.
        prior: of the parameters.
    """

    kernel: Kernel
    rows: Matrix
    targets: Targets
    prior: Prior

    def some(self, most: int, seed: int) -> Evidence:
        """Return the evidence of at most so many rows, drawn without replacement."""
        if len(self.rows) <= most:
            return self
        order = seeds.generator(seed, "gaussian_process", "rows").permutation(len(self.rows))
        kept = np.sort(order[:most])
        return replace(self, rows=self.rows[kept], targets=self.targets.rows(kept))

    def negative(self, parameters: Vector) -> tuple[float, Vector]:
        """Return the negative log posterior (up to a constant) and its gradient, both exact.

        Rasmussen and Williams 2006, equations 5.8 and 5.9. The density at parameters of which the
        covariance is singular to working precision is taken to be 0.
        """
        found = self.targets.warped(float(parameters[-1]))
        covariance, pull = self.kernel.with_pullback(parameters[:-2], self.rows)
        extra = float(np.exp(parameters[-2]))
        covariance[np.diag_indices_from(covariance)] += found.noise + extra + JITTER
        factor, failed = linalg.lapack.dpotrf(covariance.T, lower=1, overwrite_a=1)
        if failed:
            return np.inf, np.zeros_like(parameters)
        log_root = float(np.log(np.diag(factor)).sum())
        solved = linalg.lapack.dpotrs(factor, found.targets, lower=1)[0]
        weights = _inverse(factor)
        weights -= np.outer(solved, solved)
        weights /= 2
        diagonal = np.diag(weights)
        by_noise = extra * diagonal.sum()
        by_shift = solved @ found.targets_slope + diagonal @ found.noise_slope + found.cost_slope
        away = (parameters - self.prior.medians) / self.prior.spreads
        value = found.targets @ solved / 2 + log_root + found.cost + away @ away / 2
        slope = np.concatenate([pull(weights), [by_noise, by_shift]])
        return float(value), slope + away / self.prior.spreads


def prior_of(kernel: Kernel) -> Prior:
    """Return what the parameters of a process with this covariance are expected to be.

    Order is expected to matter less than dose: blocks after the first have smaller amplitudes.
    Length scales grow with the square root of the number of columns (Hvarfner, Hellsten and Nardi
    2024, "Vanilla Bayesian optimization performs great in high dimensions", equation 8).
    """
    centres: list[float] = []
    for number, width in enumerate(kernel.widths):
        later = min(number, 1)
        centres += [_AMPLITUDES[later], _LINEAR[later]]
        centres += [_LENGTH + np.log(width) / 2] * width
    spreads = np.ones(len(centres) + 2)
    spreads[-2] = _NOISE_SPREAD
    return Prior(medians=np.array([*centres, _EXTRA_NOISE, SHIFT]), spreads=spreads)


def likeliest(evidence: Evidence, starts: Sequence[Vector]) -> Vector:
    """Return the parameters of largest posterior density that a climb from the starts finds.

    Args:
        evidence: the density.
        starts: parameters [Q] to begin at; the best of the ends is returned, the first in a tie.
    """
    centres, spreads = evidence.prior.medians, evidence.prior.spreads

    def whitened(point: Vector) -> tuple[float, Vector]:
        value, slope = evidence.negative(centres + spreads * point)
        return value, slope * spreads

    bounds = [(-_REACH, _REACH)] * len(centres)
    found = [
        optimize.minimize(
            whitened,
            np.clip((start - centres) / spreads, -_REACH, _REACH),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=_TOLERANCES,
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    return np.asarray(centres + spreads * best.x)


def _inverse(factor: Matrix) -> Matrix:
    """Return the inverse of a matrix from its lower Cholesky factor, which is overwritten."""
    half, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(half, -1)
    full = lower + lower.T
    full[np.diag_indices_from(full)] = np.diag(half)
    return np.asarray(full)
