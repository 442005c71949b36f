"""Tests of acquisitions against integrals and draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from mixopt.surrogate.features import mixture_features
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.mean import Mean
from mixopt.surrogate.proposing.acquire import (
    Outlook,
    batch_worth,
    drawn,
    error_correlation,
    expected_improvement,
    improving,
    log_improvement,
    settled,
)


def _outlook(gains: list[float], deviations: list[float], shared: float = 0.0) -> Outlook:
    count = len(gains)
    correlation = shared * np.ones((count, count)) + (1 - shared) * np.eye(count)
    return Outlook(gains=np.array(gains), deviations=np.array(deviations), correlation=correlation)


@pytest.mark.parametrize("gain", [-3.0, -0.2, 0.0, 1.5])
def test_expected_improvement_is_an_integral(gain: float) -> None:
    density = stats.norm(gain, 0.7)
    expected, _ = integrate.quad(lambda z: z * density.pdf(z), 0, gain + 10)
    found = expected_improvement(np.array([gain]), np.array([0.7]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(log_improvement(np.array([gain]), np.array([0.7])), np.log(expected))


def test_what_is_known_improves_by_its_gain_or_not_at_all() -> None:
    found = expected_improvement(np.array([-1.0, 0.5]), np.zeros(2))
    np.testing.assert_array_equal(found, [0.0, 0.5])


def test_the_logarithm_still_orders_what_underflows() -> None:
    gains = -np.array([1.0, 5.0, 30.0, 60.0, 500.0, 1e4])
    found = log_improvement(gains, np.ones(6))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()
    np.testing.assert_allclose(found[2], -450 - 0.5 * np.log(2 * np.pi) - 2 * np.log(30), rtol=1e-4)


def test_a_batch_takes_another_rather_than_a_twin() -> None:
    outlook = _outlook([0.1, 0.1, 0.0], [1.0, 1.0, 1.0])
    correlation = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])
    twins = Outlook(gains=outlook.gains, deviations=outlook.deviations, correlation=correlation)
    assert improving(twins, 2, np.random.default_rng(0)) == [0, 2]
    assert improving(twins, 1, np.random.default_rng(0), pending=[1]) == [2]


def test_hopeless_candidates_are_told_apart_too() -> None:
    outlook = _outlook([-50.0, -40.0, -60.0], [1.0, 1.0, 1.0])
    assert improving(outlook, 3, np.random.default_rng(0)) == [1, 0, 2]


def test_thompson_draws_choose_each_as_often_as_it_is_best() -> None:
    outlook = _outlook([0.0, 0.5, -1.0], [1.0, 0.5, 1.0], shared=0.3)
    rng = np.random.default_rng(0)
    often = np.bincount([drawn(outlook, 1, rng)[0] for _ in range(2000)], minlength=3) / 2000
    root = np.linalg.cholesky(outlook.correlation)
    normal = np.random.default_rng(1).standard_normal((100_000, 3)) @ root.T
    best = (outlook.gains + outlook.deviations * normal).argmax(axis=1)
    np.testing.assert_allclose(often, np.bincount(best) / 100_000, atol=0.04)
    assert len(set(drawn(outlook, 3, rng))) == 3


def test_the_worth_of_one_is_its_expected_improvement() -> None:
    outlook = _outlook([-0.3, 0.0], [0.8, 0.5])
    rng = np.random.default_rng(0)
    alone = expected_improvement(outlook.gains, outlook.deviations)
    assert batch_worth(outlook, [0], rng) == pytest.approx(alone[0], rel=0.1)
    both = batch_worth(outlook, [0, 1], rng)
    assert max(alone) < both < sum(alone) * 1.05
    assert batch_worth(outlook, [], rng) == 0.0


def test_settling_a_row_leaves_the_conditional_covariance() -> None:
    root = np.random.default_rng(0).standard_normal((4, 4))
    covariance = root @ root.T
    left = settled(covariance, 1)
    others = [0, 2, 3]
    expected = (
        covariance[np.ix_(others, others)]
        - np.outer(covariance[others, 1], covariance[1, others]) / covariance[1, 1]
    )
    np.testing.assert_allclose(left[np.ix_(others, others)], expected)
    np.testing.assert_allclose(left[1], 0, atol=1e-12)


def test_errors_go_together_as_the_processes_say() -> None:
    rng = np.random.default_rng(0)
    features = mixture_features(("a", "b", "c"), rng.dirichlet(np.ones(3), 12))
    values = features.doses[:, 0] ** 2
    process = GaussianProcess().fit(features, values, np.zeros(12), 0)
    mean = Mean(laws=(GaussianProcess(),)).fit(features, values, np.zeros(12), 0)
    asked = mixture_features(("a", "b", "c"), rng.dirichlet(np.ones(3), 5))
    expected = process.correlation(asked, asked)
    np.testing.assert_allclose(error_correlation(mean, asked), expected)
    np.testing.assert_allclose(np.diag(error_correlation(object(), asked)), 1.0)
