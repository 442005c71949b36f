"""The Gaussian-process law: smooth in square-root weights, with doses first and order second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from mixopt import seeds
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.kernel import Kernel
from mixopt.surrogate.laws.law import (
    Matrix,
    Prediction,
    Standard,
    Vector,
    single_thread,
    standard,
)

_JITTER = 1e-8  # added to the noise variance of standardized values
_LENGTH = np.log(2.0)  # prior median of a length scale over sqrt(columns), in column deviations
_AMPLITUDES = (0.0, np.log(0.3))  # prior medians: of the dose's block, of a stage's block
_LINEAR = np.log(0.2)
_EXTRA_NOISE = np.log(1e-2)  # prior median of the extra variance
_SPREADS = {"length": 1.0, "amplitude": 1.0, "linear": 1.0, "noise": 2.0}
_MOST_ITERATIONS = 150


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianProcess:
    """Matern-5/2 process with a length scale per domain, at the maximum of its posterior.

    Columns are square roots of weights, in which Euclidean distance is Hellinger distance: one
    block on the roots of the token-weighted dose, which also has a linear part, and, where there
    are several stages, one block per stage on the roots of its own mixture and on its share of
    the tokens where that varies. Order is expected to matter less than dose: blocks of stages
    have smaller amplitudes a priori. Priors on length scales are log-normal and grow with the
    square root of the number of columns (Hvarfner, Hellsten and Nardi 2024, "Vanilla Bayesian
    optimization performs great in high dimensions", equation 8). Noise is the known variance of
    each row plus a learned one that all rows share.
    """

    name: str = "gaussian_process"
    num_starts: int = 3

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedProcess:
        """Return the process with the parameters of largest posterior density."""
        frame = _frame(features)
        rows = frame.columns(features)
        units = standard(values)
        problem = Evidence(
            kernel=Kernel(widths=frame.widths),
            rows=rows,
            targets=units.inward(values),
            noise=noise / units.scale**2 + _JITTER,
        )
        with single_thread():
            parameters = _maximize(problem, self.num_starts, seed)
            return _condition(problem, parameters, frame, units)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where the columns of a process lie: their means, and one scale per block.

    One scale for all weights of a block keeps a domain that hardly varies from weighing as much
    as one that does.

    Attributes:
        means: [C] of the training rows.
        scales: [C] root mean variance of the block's columns.
        widths: columns per block.
        with_tokens: [S] whether the block of a stage has its share of the tokens as a column.
    """

    means: Vector
    scales: Vector
    widths: tuple[int, ...]
    with_tokens: tuple[bool, ...]

    def columns(self, features: Features) -> Matrix:
        """Return [N, C] centred and scaled columns."""
        return (np.hstack(_raw_blocks(features, self.with_tokens)) - self.means) / self.scales


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The posterior density of kernel parameters given N standardized values.

    Attributes:
        kernel: the covariance; its parameters are followed by the log of the extra variance.
        rows: [N, C] columns.
        targets: [N] standardized values.
        noise: [N] known variances of the standardized values.
    """

    kernel: Kernel
    rows: Matrix
    targets: Vector
    noise: Vector

    def negative(self, parameters: Vector) -> tuple[float, Vector]:
        """Return the negative log posterior (up to a constant) and its gradient, both exact."""
        covariance, pull = self.kernel.with_pullback(parameters[:-1], self.rows)
        extra = np.exp(parameters[-1])
        covariance[np.diag_indices_from(covariance)] += self.noise + extra
        factor = linalg.cho_factor(covariance, lower=True)
        inverse = linalg.cho_solve(factor, np.eye(len(covariance)))
        solved = inverse @ self.targets
        weights = (inverse - np.outer(solved, solved)) / 2
        slope = np.append(pull(weights), extra * np.trace(weights))
        centres, spreads = prior(self.kernel)
        away = (parameters - centres) / spreads
        value = self.targets @ solved / 2 + np.log(np.diag(factor[0])).sum() + away @ away / 2
        return float(value), slope + away / spreads


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedProcess:
    """A process conditioned on its training rows.

    Attributes:
        parameters: logarithms as in `Kernel`, then the log of the extra variance.
        factor: [N, N] lower Cholesky factor of the training covariance with its noise.
        solved: [N] the inverse covariance times the targets.
    """

    kernel: Kernel
    frame: Frame
    units: Standard
    parameters: Vector
    rows: Matrix
    factor: Matrix
    solved: Vector

    def predict(self, features: Features) -> Prediction:
        """Return the posterior mean and standard deviation (R. and W. 2006, eqs. 2.25, 2.26)."""
        rows = self.frame.columns(features)
        cross = self.kernel.covariance(self.parameters[:-1], self.rows, rows)
        explained = linalg.solve_triangular(self.factor, cross, lower=True)
        variance = self.kernel.diagonal(self.parameters[:-1], rows)
        variance -= np.einsum("np,np->p", explained, explained)
        return self.units.outward(cross.T @ self.solved, np.sqrt(np.maximum(variance, 0.0)))


def prior(kernel: Kernel) -> tuple[Vector, Vector]:
    """Return medians and standard deviations of the log parameters a priori; [P] each."""
    centres: list[float] = []
    spreads: list[float] = []
    for number, width in enumerate(kernel.widths):
        centres += [_AMPLITUDES[min(number, 1)]] + [_LENGTH + np.log(width) / 2] * width
        spreads += [_SPREADS["amplitude"]] + [_SPREADS["length"]] * width
    centres += [_LINEAR, _EXTRA_NOISE]
    spreads += [_SPREADS["linear"], _SPREADS["noise"]]
    return np.array(centres), np.array(spreads)


def _frame(features: Features) -> Frame:
    varying = features.varying_tokens
    with_tokens = tuple(bool(v) for v in varying) if len(varying) > 1 else ()
    blocks = _raw_blocks(features, with_tokens)
    num_domains = len(features.domains)
    scales = []
    for block in blocks:
        variances = block.var(axis=0)
        common = np.sqrt(variances[:num_domains].mean())
        own = np.sqrt(variances[num_domains:])
        scales.append(np.concatenate([np.full(num_domains, common), own]))
    joined = np.concatenate(scales)
    return Frame(
        means=np.hstack(blocks).mean(axis=0),
        scales=np.where(joined > 0, joined, 1.0),
        widths=tuple(block.shape[1] for block in blocks),
        with_tokens=with_tokens,
    )


def _raw_blocks(features: Features, with_tokens: tuple[bool, ...]) -> list[Matrix]:
    """Return the unscaled columns: roots of doses, then the blocks of stages if there are any."""
    blocks = [np.sqrt(features.doses)]
    for number, with_share in enumerate(with_tokens):
        roots = np.sqrt(features.weights[:, number])
        share = features.tokens[:, number : number + 1]
        blocks.append(np.hstack([roots, share]) if with_share else roots)
    return blocks


def _maximize(problem: Evidence, num_starts: int, seed: int) -> Vector:
    centres, spreads = prior(problem.kernel)
    rng = seeds.generator(seed, "gaussian_process", "starts")
    starts = [centres + spreads * rng.standard_normal(len(centres)) for _ in range(num_starts - 1)]
    bounds = list(zip(centres - 5 * spreads, centres + 5 * spreads, strict=True))
    found = [
        optimize.minimize(
            problem.negative,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _MOST_ITERATIONS},
        )
        for start in [centres, *starts]
    ]
    return np.asarray(min(found, key=lambda result: float(result.fun)).x)


def _condition(
    problem: Evidence, parameters: Vector, frame: Frame, units: Standard
) -> FittedProcess:
    covariance = problem.kernel.covariance(parameters[:-1], problem.rows, problem.rows)
    covariance[np.diag_indices_from(covariance)] += problem.noise + np.exp(parameters[-1])
    factor = linalg.cholesky(covariance, lower=True)
    return FittedProcess(
        kernel=problem.kernel,
        frame=frame,
        units=units,
        parameters=parameters,
        rows=problem.rows,
        factor=factor,
        solved=linalg.cho_solve((factor, True), problem.targets),
    )
