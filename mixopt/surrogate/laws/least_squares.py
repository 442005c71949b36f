"""The engine of parametric laws: penalized least squares along a path of ridge strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import (
    Matrix,
    Prediction,
    Standard,
    Vector,
    single_thread,
    standard,
)

STRENGTHS = tuple(10.0**power for power in (1, 0.5, 0, -0.5, -1, -1.5, -2, -2.5, -3, -4, -5, -6))
_MOST_STEPS = 30
_MOST_TRIES = 8  # of one step, each with more damping
_SMALL = 1e-4  # relative decrease below which a descent has arrived
_WILD = 3.0  # studentized residuals beyond this many robust deviations weigh less
_FEW = 10.0  # rows: with so few the limit doubles, since they hardly tell what is usual
_TAMING = 2  # power with which the weights of wild rows fall; Huber's is 1
_PASSES = 2  # after the first, if there are wild rows
_LIKELY = 5.0  # log marginal likelihoods below the best that are walked again
_HOPELESS = 12.0  # and that end a walk
_WEAK = 0.01  # strength from which a walk may end
_ARRIVED = 1e-12  # the least residual variance of standardized values that is told from none


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """Independent normal priors of P parameters, up to a common scale that the runs decide.

    Attributes:
        centre: [P] expected values.
        precision: [P] inverse variances, all positive; the strength of the ridge multiplies them.
    """

    centre: Vector
    precision: Vector


class Form(Protocol):
    """A law's equation, for standardized costs."""

    @property
    def prior(self) -> Prior:
        """What is expected of the P parameters before any run; every descent starts there."""

    def columns(self, features: Features) -> Matrix:
        """Return [N, C]: what the equation reads of N schedules."""

    def value(self, columns: Matrix, parameters: Vector) -> tuple[Vector, Matrix]:
        """Return the N values of the equation and their [N, P] derivatives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedForm:
    """A form with its parameters found at L strengths of the ridge.

    Attributes:
        units: between the measure and standardized costs.
        shares: [L] weights of the strengths, adding up to 1.
        parameters: [L, P].
        covariances: [L, P, P] of the parameters (Laplace).
    """

    form: Form
    units: Standard
    shares: Vector
    parameters: Matrix
    covariances: Matrix

    def predict(self, features: Features) -> Prediction:
        """Return the weighted mean over strengths; their disagreement counts as doubt."""
        columns = self.form.columns(features)
        means, variances = [], []
        for parameters, covariance in zip(self.parameters, self.covariances, strict=True):
            value, slopes = self.form.value(columns, parameters)
            means.append(value)
            variances.append(np.einsum("np,pq,nq->n", slopes, covariance, slopes))
        mean = self.shares @ np.array(means)
        between = self.shares @ (np.array(means) - mean) ** 2
        within = self.shares @ np.maximum(variances, 0.0)
        return self.units.outward(mean, np.sqrt(within + between))


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A form, N standardized targets and how much each of them weighs."""

    form: Form
    columns: Matrix
    targets: Vector
    weights: Vector

    def descend(self, strength: float, start: Vector) -> Optimum:
        """Return the local minimum that Levenberg-Marquardt reaches (Marquardt 1963).

        The sum of squares is sum_n weight_n (f_n - y_n)^2 + strength sum_p precision_p (theta_p -
        centre_p)^2; a step solves the Gauss-Newton equations with their diagonal enlarged until
        the sum falls.
        """
        at, damping = self._look(strength, start), 1e-3
        for _ in range(_MOST_STEPS):
            before = at.total
            for _ in range(_MOST_TRIES):
                enlarged = at.curvature + damping * np.diag(np.diag(at.curvature))
                there = self._look(strength, at.point - np.linalg.solve(enlarged, at.slope))
                if there.total < before:
                    at, damping = there, max(damping / 10, 1e-9)
                    break
                damping *= 6
            if not before - at.total > _SMALL * before:
                break
        return at

    def _look(self, strength: float, point: Vector) -> Optimum:
        prior = self.form.prior
        value, slopes = self.form.value(self.columns, point)
        residual, held = value - self.targets, strength * prior.precision
        away, pulled = point - prior.centre, slopes.T * self.weights
        total = float(self.weights @ residual**2 + held @ away**2)
        return Optimum(
            strength=strength,
            point=point,
            residual=residual,
            slopes=slopes,
            total=total if np.isfinite(total) else np.inf,
            slope=pulled @ residual + held * away,
            curvature=pulled @ slopes + np.diag(held),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """Where a descent is: parameters, residuals, and the sum of squares with its derivatives.

    Attributes:
        point: [P] parameters.
        residual: [N] predicted minus target.
        slopes: [N, P] derivatives of the predictions.
        total: the penalized sum of squares.
        slope: [P] half its gradient.
        curvature: [P, P] half its Hessian (Gauss-Newton).
    """

    strength: float
    point: Vector
    residual: Vector
    slopes: Matrix
    total: float
    slope: Vector
    curvature: Matrix


def fit_form(form: Form, features: Features, values: Vector, noise: Vector) -> FittedForm:
    """Fit an equation to runs by penalized least squares at several strengths of the ridge.

    Strengths are weighed by their marginal likelihood (Laplace approximation; MacKay 1992,
    "Bayesian interpolation", with the residual variance profiled out), so that no fold is refitted.
    Rows weigh less the noisier they are known to be; where residuals show wild runs, the path is
    walked again with less weight on them (after Huber 1964). Equal values are predicted as they are.

    Args:
        form: the equation.
        features: N schedules.
        values: [N] costs.
        noise: [N] variances of the values, in squared units.
    """
    units = standard(values)
    known = 1 / (1 + noise / max(float(noise.mean()), 1e-300))
    known /= known.mean()
    columns, targets = form.columns(features), units.inward(values)
    with single_thread():
        problem = Problem(form=form, columns=columns, targets=targets, weights=known)
        path, logs = _walk(problem, STRENGTHS, form.prior.centre)
        for _ in range(_PASSES):
            tamed = known * _tamed(path[int(logs.argmax())], known)
            if (tamed == problem.weights).all():
                break
            problem = Problem(form=form, columns=columns, targets=targets, weights=tamed)
            first = max(int(np.flatnonzero(logs > logs.max() - _LIKELY)[0]) - 1, 0)
            strengths = STRENGTHS[STRENGTHS.index(path[first].strength) :]
            path, logs = _walk(problem, strengths, path[first].point)
        shares = np.exp(logs - logs.max())
        kept = np.flatnonzero(shares > 0.01 * shares.sum())
        return FittedForm(
            form=form,
            units=Standard(centre=units.centre, scale=float(values.std())),
            shares=shares[kept] / shares[kept].sum(),
            parameters=np.array([path[index].point for index in kept]),
            covariances=np.array([_covariance(path[index], problem) for index in kept]),
        )


def evidence(problem: Problem, found: Optimum) -> float:
    """Return the log marginal likelihood of an optimum's strength, up to a constant."""
    count = len(problem.targets)
    spread = max(found.total / count, _ARRIVED)
    held = np.log(found.strength * problem.form.prior.precision).sum()
    volume = np.linalg.slogdet(found.curvature)[1]
    return float(held - volume - count * np.log(spread)) / 2


def leverages(found: Optimum, weights: Vector) -> Vector:
    """Return the diagonal of the hat matrix, how much every row decides its own prediction; [N]."""
    solved = np.linalg.solve(found.curvature, found.slopes.T * weights)
    return np.asarray(np.clip(np.einsum("np,pn->n", found.slopes, solved), 0.0, 1 - 1e-6))


def _walk(
    problem: Problem, strengths: Sequence[float], start: Vector
) -> tuple[list[Optimum], Vector]:
    """Return the optima from the strongest ridge to the weakest, each begun at the last.

    At the strongest the prior alone nearly decides, so that there is one minimum; following it is
    both faster and steadier than starting anywhere else. The walk ends where a weak ridge is
    hopelessly unlikely. Also returns the log marginal likelihoods.
    """
    path: list[Optimum] = []
    logs: list[float] = []
    for strength in strengths:
        path.append(problem.descend(strength, path[-1].point if path else start))
        logs.append(evidence(problem, path[-1]))
        if strength < _WEAK and logs[-1] < max(logs) - _HOPELESS:
            break
    return path, np.array(logs)


def _tamed(found: Optimum, known: Vector) -> Vector:
    """Return factors below 1 for wild rows, by studentized residuals over their median size; [N]."""
    size = np.abs(found.residual) * np.sqrt(known / (1 - leverages(found, known)))
    limit = _WILD * (1 + _FEW / len(size)) * 1.4826 * float(np.median(size))
    return np.asarray(np.minimum(1.0, limit / np.maximum(size, max(limit, 1e-12))) ** _TAMING)


def _covariance(found: Optimum, problem: Problem) -> Matrix:
    count = len(problem.targets)
    return np.asarray(found.total / count * np.linalg.inv(found.curvature))
