"""Tests of the engine of parametric laws against closed forms of Bayesian linear regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import multivariate_t

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.least_squares import Prior, Problem, evidence, fit_form, leverages

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """y = a + b.w."""

    prior: Prior

    def columns(self, features: Features) -> Array:
        return features.doses

    def value(self, columns: Array, parameters: Array) -> tuple[Array, Array]:
        slopes = np.column_stack([np.ones(len(columns)), columns])
        return slopes @ parameters, slopes


@dataclass(frozen=True, kw_only=True)
class Decay(Line):
    """y = exp(a + b.w)."""

    def value(self, columns: Array, parameters: Array) -> tuple[Array, Array]:
        exponent, slopes = Line.value(self, columns, parameters)
        return np.exp(exponent), np.exp(exponent)[:, None] * slopes


PRIOR = Prior(centre=np.array([0.2, 0.0, 1.0]), precision=np.array([0.1, 1.0, 2.0]))
RNG = np.random.default_rng(0)
COLUMNS, TARGETS = RNG.uniform(size=(9, 2)), RNG.standard_normal(9)


def _problem(form: Line) -> Problem:
    return Problem(form=form, columns=COLUMNS, targets=TARGETS, weights=np.linspace(0.2, 1, 9))


def test_a_line_is_solved_as_ridge_regression() -> None:
    problem = _problem(Line(prior=PRIOR))
    found = problem.descend(0.3, np.array([5.0, -5.0, 5.0]))
    rows = np.column_stack([np.ones(9), COLUMNS])
    gram = rows.T @ (problem.weights[:, None] * rows) + 0.3 * np.diag(PRIOR.precision)
    right = rows.T @ (problem.weights * TARGETS) + 0.3 * PRIOR.precision * PRIOR.centre
    np.testing.assert_allclose(found.point, np.linalg.solve(gram, right), rtol=1e-4, atol=1e-5)


def test_a_curve_reaches_the_minimum_that_a_general_minimizer_finds() -> None:
    problem = _problem(Decay(prior=PRIOR))

    def total(point: Array) -> float:
        value = np.exp(point[0] + COLUMNS @ point[1:])
        away = point - PRIOR.centre
        return float(problem.weights @ (value - TARGETS) ** 2 + 0.1 * PRIOR.precision @ away**2)

    expected = minimize(total, PRIOR.centre, method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(problem.descend(0.1, PRIOR.centre).total, expected.fun, rtol=1e-4)


def test_evidence_of_a_line_is_a_multivariate_t_density() -> None:
    problem = Problem(form=Line(prior=PRIOR), columns=COLUMNS, targets=TARGETS, weights=np.ones(9))
    strengths = (0.1, 1.0, 10.0)
    found = [evidence(problem, problem.descend(s, PRIOR.centre)) for s in strengths]
    rows, nothing = np.column_stack([np.ones(9), COLUMNS]), 1e-9
    expected = [
        multivariate_t(
            rows @ PRIOR.centre,
            nothing * (np.eye(9) + rows @ np.diag(1 / (s * PRIOR.precision)) @ rows.T),
            df=nothing,
        ).logpdf(TARGETS)
        for s in strengths
    ]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-3)


def test_leverages_tell_residuals_of_rows_left_out() -> None:
    problem = _problem(Line(prior=PRIOR))
    found = problem.descend(0.3, PRIOR.centre)
    guessed = found.residual / (1 - leverages(found, problem.weights))
    without = problem.weights.copy()
    without[4] = 0.0
    left = Problem(form=problem.form, columns=COLUMNS, targets=TARGETS, weights=without)
    np.testing.assert_allclose(left.descend(0.3, PRIOR.centre).residual[4], guessed[4], rtol=1e-3)


@pytest.mark.parametrize(("noise", "moved"), [(0.0, False), (9.0, True)])
def test_noisy_rows_weigh_less(noise: float, *, moved: bool) -> None:
    features = made_up_features(0, 40, domains=2)
    values = 3 * features.doses[:, 0]
    values[:8] += 0.5
    known = np.where(np.arange(40) < 8, noise, 0.001)
    found = fit_form(Line(prior=PRIOR), features, values, known).predict(features)
    assert (np.abs(found.mean - 3 * features.doses[:, 0]).max() < 0.05) == moved


def test_doubt_is_of_the_size_of_the_errors() -> None:
    train, test = made_up_features(0, 60, domains=2), made_up_features(1, 200, domains=2)
    inside = []
    for seed in range(8):
        values = 2 * train.doses[:, 0] + np.random.default_rng(seed).standard_normal(60)
        found = fit_form(Line(prior=PRIOR), train, values, np.zeros(60)).predict(test)
        inside.append(np.abs(found.mean - 2 * test.doses[:, 0]) < 1.96 * found.deviation)
    assert 0.75 < np.mean(inside) <= 1
