"""Tests of the noise that is learned over all trials."""

from __future__ import annotations

import numpy as np
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, check_grad

from mixopt.surrogate.features import Features
from mixopt.surrogate.noise import Spread, smoothed_noise

Vector = NDArray[np.float64]


def _groups(features: Features, slope: float, seed: int) -> tuple[list[list[float]], Vector]:
    """Return two seeds per trial, and the true variances of one seed."""
    rng = np.random.default_rng(seed)
    true = 1e-4 * np.exp(slope * (features.doses[:, 0] - 0.25))
    draws = rng.standard_normal((features.num_rows, 2)) * np.sqrt(true)[:, None]
    return (2 + features.doses[:, 1][:, None] + draws).tolist(), true


def test_noise_that_depends_on_the_mixture_is_found() -> None:
    features = made_up_features(0, 120)
    errors = []
    for seed in range(5):
        groups, true = _groups(features, 6.0, seed)
        pooled = np.mean([np.var(group, ddof=1) for group in groups])
        found = 2 * smoothed_noise(groups, features)
        errors.append([np.sqrt(np.mean(np.log(each / true) ** 2)) for each in (found, pooled)])
    assert np.mean(errors, axis=0)[0] < 0.6 * np.mean(errors, axis=0)[1]


def test_even_noise_stays_one_variance_for_all() -> None:
    features = made_up_features(0, 60)
    found = [smoothed_noise(_groups(features, 0.0, seed)[0], features) for seed in range(20)]
    assert np.mean([np.ptp(each) == 0 for each in found]) >= 0.85


def test_few_trials_share_the_pooled_variance() -> None:
    features = made_up_features(0, 6)
    groups = [[0.0, 2.0], [1.0, 1.0], [3.0], [5.0, 5.0, 5.0], [2.0], [0.0]]
    found = smoothed_noise(groups, features)
    np.testing.assert_allclose(found * np.array([2, 2, 1, 3, 1, 1]), 2 / 4)


def test_one_seed_each_tells_nothing() -> None:
    assert not smoothed_noise([[1.0], [2.0], [3.0]], made_up_features(0, 3)).any()
    assert not smoothed_noise([[1.0, 1.0], [2.0]], made_up_features(0, 2)).any()


def test_units_do_not_matter() -> None:
    features = made_up_features(0, 40)
    groups, _ = _groups(features, 4.0, 2)
    scaled = [[64 * value for value in group] for group in groups]
    expected = 64**2 * smoothed_noise(groups, features)
    np.testing.assert_allclose(smoothed_noise(scaled, features), expected, rtol=1e-6)


def test_coefficients_are_where_the_slope_of_the_loss_vanishes() -> None:
    rng = np.random.default_rng(0)
    columns = np.column_stack([np.ones(30), rng.standard_normal((30, 2))])
    spread = Spread(columns=columns, ratios=rng.gamma(0.5, 2.0, 30), freedom=np.ones(30))
    point, _ = spread.fit(0.3)
    held = np.array([1e-6, 0.3**-2, 0.3**-2])
    gap = check_grad(lambda x: spread._loss(x, held), lambda x: spread._slope(x, held), point + 0.1)
    assert gap < 1e-4
    assert np.abs(approx_fprime(point, lambda x: spread._loss(x, held))).max() < 1e-4
