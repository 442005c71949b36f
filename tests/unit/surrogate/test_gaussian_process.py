"""Tests of the Gaussian process against scikit-learn, finite differences and known functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws import gaussian_process
from mixopt.surrogate.laws.evidence import JITTER, Evidence, likeliest, prior_of
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.kernel import Kernel, matern
from mixopt.surrogate.laws.posterior import condition
from mixopt.surrogate.laws.process_columns import frame_of
from mixopt.surrogate.laws.warp import Given, costs_of


def _problem(seed: int, widths: tuple[int, ...], rows: int = 12) -> Evidence:
    rng = np.random.default_rng(seed)
    kernel = Kernel(widths=widths)
    return Evidence(
        kernel=kernel,
        rows=rng.standard_normal((rows, sum(widths))),
        targets=costs_of(rng.gamma(2.0, size=rows), rng.uniform(0.01, 0.2, rows)),
        prior=prior_of(kernel),
    )


def _somewhere(problem: Evidence, seed: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(seed).standard_normal(len(problem.prior.medians))
    return np.asarray(problem.prior.medians + problem.prior.spreads * drawn)


def test_predictions_and_evidence_equal_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    train, test = rng.standard_normal((20, 3)), rng.standard_normal((15, 3))
    noise, targets = rng.uniform(0.01, 0.3, 20), rng.standard_normal(20)
    problem = replace(_problem(0, (3,)), rows=train, targets=Given(targets=targets, noise=noise))
    lengths, amplitude, linear, extra = np.array([0.7, 1.5, 3.0]), 1.3, 0.4, 0.02
    parameters = np.log([amplitude, linear, *lengths, extra, 0.3])
    kernel = ConstantKernel(amplitude**2) * Matern(lengths, nu=2.5) + ConstantKernel(1.0)
    kernel += ConstantKernel(linear**2) * DotProduct(sigma_0=0, sigma_0_bounds="fixed")
    reference = GaussianProcessRegressor(kernel, alpha=noise + extra + JITTER, optimizer=None)
    mean, deviation = reference.fit(train, targets).predict(test, return_std=True)
    found = condition(problem, parameters).at(test)
    np.testing.assert_allclose(found[0], mean, atol=1e-9)
    np.testing.assert_allclose(found[1], deviation, atol=1e-7)
    evidence = reference.log_marginal_likelihood_value_ + 20 / 2 * np.log(2 * np.pi)
    away = (parameters - problem.prior.medians) / problem.prior.spreads
    np.testing.assert_allclose(-problem.negative(parameters)[0], evidence - away @ away / 2)


def test_gradient_equals_finite_differences() -> None:
    problem = _problem(0, (3, 4, 2))
    where = _somewhere(problem, 1)
    numeric = approx_fprime(where, lambda point: problem.negative(point)[0], 1e-6)
    np.testing.assert_allclose(problem.negative(where)[1], numeric, rtol=1e-3, atol=2e-5)


def test_the_climb_ends_on_a_peak() -> None:
    problem = _problem(4, (3,), rows=30)
    found = likeliest(problem, [problem.prior.medians])
    value, slope = problem.negative(found)
    assert np.abs(slope * problem.prior.spreads).max() < 0.1
    assert value < problem.negative(problem.prior.medians)[0]


def test_covariance_is_positive_and_symmetric_with_the_stated_diagonal() -> None:
    problem = _problem(3, (3, 2))
    parameters = problem.prior.medians[:-2] + 0.3
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
    few, many = (prior_of(Kernel(widths=(width,))).medians[2] for width in (4, 16))
    np.testing.assert_allclose(many - few, np.log(2))


def test_left_out_errors_equal_those_of_refits() -> None:
    problem = _problem(5, (3,))
    parameters = _somewhere(problem, 6)
    seen = problem.targets.warped(float(parameters[-1]))
    given = replace(problem, targets=Given(targets=seen.targets, noise=seen.noise))
    expected = []
    for row in range(12):
        others = np.delete(np.arange(12), row)
        part = replace(given, rows=given.rows[others], targets=given.targets.rows(others))
        mean = condition(part, parameters).at(given.rows[[row]])[0]
        expected.append(float(seen.targets[row] - mean[0]))
    np.testing.assert_allclose(condition(given, parameters).left_out_errors(), expected)


def test_smooth_function_is_recovered_through_noise() -> None:
    train, test = made_up_features(0, 50, stages=2), made_up_features(1, 200, stages=2)

    def truth(features: Features) -> NDArray[np.float64]:
        roots = np.sqrt(features.doses)
        late = features.weights[:, 1, 0]
        return np.asarray(3 - np.sin(3 * roots[:, 0]) - roots[:, 1] * roots[:, 2] - 0.3 * late)

    values = truth(train) + 0.02 * np.random.default_rng(2).standard_normal(50)
    found = GaussianProcess().fit(train, values, np.full(50, 4e-4), 0).predict(test)
    error = found.mean - truth(test)
    assert np.sqrt(np.mean(error**2)) < 0.3 * truth(test).std()
    assert np.mean(np.abs(error) < 1.96 * found.deviation) > 0.8


def test_few_runs_of_a_power_law_are_enough() -> None:
    train, test = made_up_features(0, 16, domains=6), made_up_features(1, 200, domains=6)

    def truth(features: Features) -> NDArray[np.float64]:
        return np.asarray(2 + (features.doses @ np.array([1, 0.3, 0.1, 0, 0, 0]) + 0.01) ** -0.3)

    found = GaussianProcess().fit(train, truth(train), np.zeros(16), 0).predict(test)
    assert np.corrcoef(found.mean, truth(test))[0, 1] > 0.95


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


def test_draws_have_the_stated_means_deviations_and_correlations() -> None:
    train, test = made_up_features(0, 20), made_up_features(1, 6)
    values = 10 + train.doses[:, 0] + 0.1 * np.random.default_rng(0).standard_normal(20)
    fitted = GaussianProcess().fit(train, values, np.zeros(20), 0)
    draws = fitted.sample(test, 20_000, np.random.default_rng(1))
    found = fitted.predict(test)
    np.testing.assert_allclose(np.median(draws, axis=0), found.mean, atol=0.01)
    np.testing.assert_allclose(draws.std(axis=0), found.deviation, rtol=0.1)
    expected = fitted.correlation(test, test)
    np.testing.assert_allclose(np.diag(expected), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.corrcoef(draws.T), expected, atol=0.05)


def test_parameters_of_many_rows_are_found_on_few_and_all_rows_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gaussian_process, "_FEW_ROWS", 20)
    monkeypatch.setattr(gaussian_process, "_MOST_ROWS", 40)
    features = made_up_features(0, 100, domains=3)
    values = features.doses[:, 0]
    fitted = GaussianProcess().fit(features, values, np.zeros(100), 0)
    assert len(fitted.posterior.rows) == 100
    np.testing.assert_allclose(fitted.predict(features).mean, values, atol=0.01)


def test_settings_and_learning_rates_are_seen() -> None:
    plain = made_up_features(0, 40, stages=2)
    rng = np.random.default_rng(1)
    known = replace(
        plain,
        rates=rng.dirichlet(np.ones(2), 40),
        settings=("ordering",),
        numbers=rng.uniform(size=(40, 1)),
    )
    assert frame_of(plain).kinds == ("dose", "stage", "stage")
    assert frame_of(known).kinds == ("dose", "stage", "stage", "rate", "settings")
    values = known.doses[:, 0] + 0.5 * known.numbers[:, 0]
    kept, left = np.arange(30), np.arange(30, 40)
    fitted = GaussianProcess().fit(known.rows(kept), values[kept], np.zeros(30), 0)
    found = fitted.predict(known.rows(left))
    assert np.corrcoef(found.mean, values[left])[0, 1] > 0.95


def test_a_stage_that_is_the_same_in_all_runs_has_no_block() -> None:
    features = made_up_features(0, 20, stages=2)
    weights = features.weights.copy()
    weights[:, 1] = 0.25
    halves = np.full((20, 2), 0.5)
    fixed = replace(features, weights=weights, tokens=halves, rates=halves)
    assert frame_of(fixed).kinds == ("dose", "stage")
