"""Tests of the Gaussian process against scikit-learn, finite differences and known functions."""

from __future__ import annotations

import numpy as np
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.gaussian_process import (
    Evidence,
    Frame,
    GaussianProcess,
    _condition,
    _frame,
    prior,
)
from mixopt.surrogate.laws.kernel import Kernel, matern
from mixopt.surrogate.laws.law import Standard


def _problem(seed: int, widths: tuple[int, ...], rows: int = 12) -> Evidence:
    rng = np.random.default_rng(seed)
    return Evidence(
        kernel=Kernel(widths=widths),
        rows=rng.standard_normal((rows, sum(widths))),
        targets=rng.standard_normal(rows),
        noise=rng.uniform(0.01, 0.2, rows),
    )


def _log_prior(problem: Evidence, parameters: NDArray[np.float64]) -> float:
    centres, spreads = prior(problem.kernel)
    return float(-np.sum(((parameters - centres) / spreads) ** 2) / 2)


def test_predictions_and_evidence_equal_scikit_learn() -> None:
    train, test = made_up_features(0, 20, domains=3), made_up_features(1, 15, domains=3)
    frame: Frame = _frame(train)
    lengths, amplitude, linear, extra = np.array([0.7, 1.5, 3.0]), 1.3, 0.4, 0.02
    rng = np.random.default_rng(2)
    noise, targets = rng.uniform(0.01, 0.3, 20), rng.standard_normal(20)
    problem = Evidence(
        kernel=Kernel(widths=frame.widths), rows=frame.columns(train), targets=targets, noise=noise
    )
    parameters = np.log([amplitude, *lengths, linear, extra])
    kernel = ConstantKernel(amplitude**2) * Matern(lengths, nu=2.5)
    kernel += ConstantKernel(linear**2) * DotProduct(sigma_0=0, sigma_0_bounds="fixed")
    reference = GaussianProcessRegressor(
        kernel + ConstantKernel(1.0), alpha=noise + extra, optimizer=None
    ).fit(problem.rows, targets)
    mean, deviation = reference.predict(frame.columns(test), return_std=True)
    units = Standard(centre=0.0, scale=1.0)
    found = _condition(problem, parameters, frame, units).predict(test)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.deviation, deviation, atol=1e-7)
    evidence = reference.log_marginal_likelihood_value_ + 20 / 2 * np.log(2 * np.pi)
    expected = evidence + _log_prior(problem, parameters)
    np.testing.assert_allclose(-problem.negative(parameters)[0], expected)


def test_gradient_equals_finite_differences() -> None:
    problem = _problem(0, (3, 4, 2))
    centres, spreads = prior(problem.kernel)
    where = centres + spreads * np.random.default_rng(1).standard_normal(len(centres))
    numeric = approx_fprime(where, lambda point: problem.negative(point)[0], 1e-6)
    np.testing.assert_allclose(problem.negative(where)[1], numeric, rtol=1e-3, atol=2e-5)


def test_covariance_is_positive_and_symmetric_with_the_stated_diagonal() -> None:
    problem = _problem(3, (3, 2))
    parameters = prior(problem.kernel)[0][:-1] + 0.3
    covariance = problem.kernel.covariance(parameters, problem.rows, problem.rows)
    np.testing.assert_allclose(covariance, covariance.T)
    np.testing.assert_allclose(
        np.diag(covariance), problem.kernel.diagonal(parameters, problem.rows), rtol=1e-6
    )
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    np.testing.assert_allclose(
        problem.kernel.with_pullback(parameters, problem.rows)[0], covariance
    )


def test_matern_at_known_distances() -> None:
    root = np.sqrt(5.0)
    expected = [1.0, (1 + root + 5 / 3) * np.exp(-root)]
    np.testing.assert_allclose(matern(np.array([0.0, 1.0])), expected)


def test_length_scales_are_expected_to_grow_with_the_number_of_domains() -> None:
    few, many = (prior(Kernel(widths=(width,)))[0][1] for width in (4, 16))
    np.testing.assert_allclose(many - few, np.log(2))


def test_smooth_function_is_recovered_through_noise() -> None:
    train, test = made_up_features(0, 50, stages=2), made_up_features(1, 200, stages=2)

    def truth(features: Features) -> NDArray[np.float64]:
        roots = np.sqrt(features.doses)
        late = features.weights[:, 1, 0]
        return np.asarray(3 - np.sin(3 * roots[:, 0]) - roots[:, 1] * roots[:, 2] - 0.3 * late)

    values = truth(train) + 0.02 * np.random.default_rng(2).standard_normal(50)
    found = GaussianProcess().fit(train, values, np.full(50, 4e-4), 0).predict(test)
    error = found.mean - truth(test)
    assert np.sqrt(np.mean(error**2)) < 0.25 * truth(test).std()
    assert np.mean(np.abs(error) < 1.96 * found.deviation) > 0.8


def test_known_noise_makes_a_row_count_less() -> None:
    train = made_up_features(0, 30)
    values = train.doses[:, 0].copy()
    values[4] += 1.0
    noise = np.zeros(30)
    blind = GaussianProcess().fit(train, values, noise, 0).predict(train)
    noise[4] = 1.0
    told = GaussianProcess().fit(train, values, noise, 0).predict(train)
    clean = np.delete(np.arange(30), 4)
    off = [np.abs(p.mean - train.doses[:, 0])[clean].max() for p in (blind, told)]
    assert off[1] < 0.02
    assert off[1] < off[0] / 2


def test_doubt_grows_away_from_the_runs() -> None:
    train = made_up_features(0, 20)
    near = train.doses[:, 0] < 0.3
    fitted = GaussianProcess().fit(
        train.rows(near), train.doses[near, 1], np.zeros(int(near.sum())), 0
    )
    found = fitted.predict(train)
    assert found.deviation[~near].mean() > 2 * found.deviation[near].mean()
