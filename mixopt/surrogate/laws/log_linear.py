"""The log-linear law: a floor plus the exponential of a linear function of the doses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from mixopt import seeds
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import (
    Matrix,
    Prediction,
    Standard,
    Vector,
    single_thread,
    standard,
)

_DELTA = 0.2  # Huber loss: residuals beyond this many standard deviations count linearly
_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # weakest first: each starts where the last ended
_LEVEL_PRIOR = 0.3  # weight, in rows, of a mean exponent of 0: else the floor may sink away
_STAGE_RIDGE = 4.0  # how much more strongly differences between stages are held at zero
_FLOORS = (0.2, 1.0, 4.0)  # starts: standard deviations of the floor below the best run
_FOLDS = 4
_LARGEST_EXPONENT = 20.0
_MOST_ITERATIONS = 300
_ROUGH_ITERATIONS = 150  # enough to compare ridges


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLinear:
    """f = c + exp(t_0 + t.w) (Olmix, arXiv 2602.12237, section 3), w the token-weighted doses.

    Where there are S > 1 stages the exponent also has d_s.(r_s w_s), w_s the mixture of stage s
    and r_s its share of the tokens, with d held at zero more strongly than t: order matters only
    as far as the runs say so. Huber loss of delta 0.02 on standardized values; the ridge on t and
    d is chosen by an inner cross-validation on the training rows. Doses are centred, so that t_0
    is the mean exponent and the ridge pulls the entries of t together; a weak prior on t_0 keeps
    the floor from sinking until the law is linear, which few runs cannot rule out. The paper's
    delta of 0.02 bits per byte is about 0.2 standard deviations of its runs.
    """

    name: str = "log_linear"
    num_jitters: int = 2

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedLogLinear:  # noqa: ARG002 - the Huber loss stands in for the noise
        """Return the law of least penalized loss over several starts."""
        units = standard(values)
        centre = _shares(features).mean(axis=0)
        rows, targets = _columns(features, centre), units.inward(values)
        with single_thread():
            problem = _penalized(rows, targets, _base_penalty(features), seed)
            found = [problem.minimize(start) for start in _starts(problem, self.num_jitters, seed)]
            parameters = min(found, key=lambda point: problem.value(point)[0])
            spread = _spread(problem, parameters)
        return FittedLogLinear(units=units, centre=centre, parameters=parameters, spread=spread)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """The penalized loss of parameters (c, t_0, t, d) on N standardized values.

    Attributes:
        rows: [N, C] a one, then what the exponent is linear in.
        targets: [N] standardized values.
        penalty: [C] weights of the squares of the exponent's coefficients.
    """

    rows: Matrix
    targets: Vector
    penalty: Vector

    def value(self, parameters: Vector) -> tuple[float, Vector]:
        """Return the mean Huber loss plus the penalty, and its gradient."""
        growth = _growth(self.rows, parameters)
        residual = parameters[0] + growth - self.targets
        clipped = np.clip(residual, -_DELTA, _DELTA)
        loss = np.mean(clipped * (residual - clipped / 2)) / _DELTA
        held = self.penalty * parameters[1:]
        pulls = clipped / (_DELTA * len(residual))
        slope = np.append(pulls.sum(), (pulls * growth) @ self.rows + held)
        return float(loss + held @ parameters[1:] / 2), slope

    def minimize(self, start: Vector, most_iterations: int = _MOST_ITERATIONS) -> Vector:
        """Return the local minimum that L-BFGS reaches from a start."""
        options = {"maxiter": most_iterations}
        found = optimize.minimize(self.value, start, jac=True, method="L-BFGS-B", options=options)
        return np.asarray(found.x)


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedLogLinear:
    """A log-linear law with its parameters found.

    Attributes:
        centre: [C - 1] mean shares of the training rows, so that t_0 is the mean exponent.
        parameters: c, t_0, t, d in standardized units.
        spread: [P, P] Laplace covariance of the parameters.
    """

    units: Standard
    centre: Vector
    parameters: Vector
    spread: Matrix

    def predict(self, features: Features) -> Prediction:
        """Return the mean and its deviation from a Laplace approximation (delta method)."""
        rows = _columns(features, self.centre)
        growth = _growth(rows, self.parameters)
        slopes = _jacobian(rows, growth)
        variance = np.einsum("np,pq,nq->n", slopes, self.spread, slopes)
        return self.units.outward(self.parameters[0] + growth, np.sqrt(np.maximum(variance, 0.0)))


def _columns(features: Features, centre: Vector) -> Matrix:
    """Return [N, C]: a one and the centred shares."""
    return np.hstack([np.ones((features.num_rows, 1)), _shares(features) - centre])


def _shares(features: Features) -> Matrix:
    """Return [N, C - 1]: the doses and, for several stages, what each stage gives of them."""
    if len(features.stages) == 1:
        return features.doses
    given = features.tokens[:, :, None] * features.weights
    return np.hstack([features.doses, given.reshape(features.num_rows, -1)])


def _base_penalty(features: Features) -> Vector:
    """Return the ridge of every coefficient but t_0 at strength 1, in the order of columns; [C]."""
    stages = len(features.stages)
    extra = stages * len(features.domains) if stages > 1 else 0
    return np.array([0.0] + [1.0] * len(features.domains) + [_STAGE_RIDGE] * extra)


def _penalty(base: Vector, ridge: float, count: int) -> Vector:
    return np.asarray(np.append(_LEVEL_PRIOR / count, ridge * base[1:]))


def _growth(rows: Matrix, parameters: Vector) -> Vector:
    """Return the exponential part; [N]."""
    return np.asarray(np.exp(np.minimum(rows @ parameters[1:], _LARGEST_EXPONENT)))


def _jacobian(rows: Matrix, growth: Vector) -> Matrix:
    return np.hstack([np.ones((len(rows), 1)), growth[:, None] * rows])


def _start(problem: Loss, floor: float) -> Vector:
    """Return a floor with the ridge solution for the logarithm of what stands above it."""
    level = problem.targets.min() - floor
    heights = np.log(problem.targets - level)
    gram = problem.rows.T @ problem.rows + np.diag(problem.penalty * len(heights) + 1e-6)
    return np.append(level, linalg.solve(gram, problem.rows.T @ heights, assume_a="pos"))


def _starts(problem: Loss, num_jitters: int, seed: int) -> list[Vector]:
    rng = seeds.generator(seed, "log_linear", "starts")
    starts = [_start(problem, floor) for floor in _FLOORS]
    size = len(starts[0])
    return starts + [starts[1] + rng.standard_normal(size) / 2 for _ in range(num_jitters)]


def _penalized(rows: Matrix, targets: Vector, base: Vector, seed: int) -> Loss:
    ridge = _choose_ridge(rows, targets, base, seed)
    return Loss(rows=rows, targets=targets, penalty=_penalty(base, ridge, len(targets)))


def _choose_ridge(rows: Matrix, targets: Vector, base: Vector, seed: int) -> float:
    """Return the ridge whose predictions of left-out training rows have the least absolute error."""
    count = len(targets)
    fold = seeds.generator(seed, "log_linear", "folds").permutation(count) % min(_FOLDS, count)
    errors = np.zeros(len(_RIDGES))
    for number in range(int(fold.max()) + 1):
        kept = fold != number
        point = None
        for index, ridge in enumerate(_RIDGES):
            penalty = _penalty(base, ridge, count)
            problem = Loss(rows=rows[kept], targets=targets[kept], penalty=penalty)
            start = _start(problem, 1.0) if point is None else point
            point = problem.minimize(start, _ROUGH_ITERATIONS)
            guess = point[0] + _growth(rows[~kept], point)
            errors[index] += np.abs(guess - targets[~kept]).sum()
    return _RIDGES[int(errors.argmin())]


def _spread(problem: Loss, parameters: Vector) -> Matrix:
    """Return the Laplace covariance at the minimum, with Gaussian noise of the residuals' size.

    The Huber loss weighs a residual of size |r| by min(1, delta / |r|) / delta per row; with the
    plain Gauss-Newton curvature J'J / s^2 and the ridge in the same units this is the covariance
    of a ridge-regularized least-squares fit, s^2 the residual variance over what freedom is left.
    """
    growth = _growth(problem.rows, parameters)
    slopes = _jacobian(problem.rows, growth)
    residual = parameters[0] + growth - problem.targets
    gram = slopes.T @ slopes
    held = np.diag(np.append(1e-9, problem.penalty * len(residual)))
    used = float(np.trace(linalg.solve(gram + held, gram, assume_a="pos")))
    variance = float(residual @ residual) / max(len(residual) - used, 1.0)
    return np.asarray(variance * linalg.inv(gram + held))
