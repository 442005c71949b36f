"""Tests of the log-linear law against finite differences and laws of its own form."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.log_linear import LogLinear, Loss


def _truth(features: Features) -> NDArray[np.float64]:
    slopes = np.array([-3.0, -1.0, 0.0, 1.0])
    return np.asarray(2.0 + np.exp(0.3 + features.doses @ slopes))


def test_gradient_equals_finite_differences() -> None:
    rng = np.random.default_rng(0)
    rows = np.hstack([np.ones((9, 1)), rng.standard_normal((9, 3))])
    problem = Loss(rows=rows, targets=rng.standard_normal(9), penalty=rng.uniform(size=4))
    where = rng.standard_normal(5) / 2
    numeric = approx_fprime(where, lambda point: problem.value(point)[0], 1e-7)
    np.testing.assert_allclose(problem.value(where)[1], numeric, rtol=1e-4, atol=1e-5)


def test_loss_is_quadratic_near_zero_and_linear_beyond() -> None:
    def loss(target: float) -> float:
        problem = Loss(rows=np.ones((1, 1)), targets=np.array([target]), penalty=np.zeros(1))
        return problem.value(np.array([-1.0, 0.0]))[0]  # predicts -1 + exp(0) = 0

    np.testing.assert_allclose(loss(0.1), 0.1**2 / 2 / 0.2)
    np.testing.assert_allclose(loss(3.0) - loss(2.0), 1.0)


def test_law_of_its_own_form_is_recovered_through_noise() -> None:
    train, test = made_up_features(0, 40), made_up_features(1, 200)
    values = _truth(train) + 0.02 * np.random.default_rng(2).standard_normal(40)
    found = LogLinear().fit(train, values, np.zeros(40), 0).predict(test)
    error = found.mean - _truth(test)
    assert np.sqrt(np.mean(error**2)) < 0.05 * _truth(test).std()
    assert 0.7 < np.mean(np.abs(error) < 1.96 * found.deviation) <= 1


def test_one_wild_run_hardly_moves_the_law() -> None:
    train, test = made_up_features(0, 40), made_up_features(1, 200)
    values = _truth(train)
    values[7] += 3 * values.std()
    found = LogLinear().fit(train, values, np.zeros(40), 0).predict(test)
    assert np.sqrt(np.mean((found.mean - _truth(test)) ** 2)) < 0.1 * _truth(test).std()


@pytest.mark.parametrize("stage", [None, 0, 1])
def test_order_counts_as_far_as_the_runs_show_it(stage: int | None) -> None:
    train, test = made_up_features(0, 60, stages=2), made_up_features(1, 200, stages=2)

    def truth(features: Features) -> NDArray[np.float64]:
        given = features.tokens[:, :, None] * features.weights
        dose = given.sum(axis=1) if stage is None else given[:, stage]
        return np.asarray(1 + np.exp(-3 * dose[:, 0] + dose[:, 1]))

    found = LogLinear().fit(train, truth(train), np.zeros(60), 0).predict(test)
    assert np.sqrt(np.mean((found.mean - truth(test)) ** 2)) < 0.05 * truth(test).std()
