"""Tests of the joint law on made-up tables of correlated measures."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.joint_process import JointProcess


def _latent(features: Features) -> NDArray[np.float64]:
    return np.asarray(-np.log(0.05 + features.doses @ np.array([1.0, 0.4, 0.1, 0.0])))


def _noisy(
    seed: int, rows: int, measures: int, noise: float
) -> tuple[Features, NDArray[np.float64]]:
    features = made_up_features(seed, rows)
    errors = np.random.default_rng(seed).standard_normal((rows, measures))
    return features, _latent(features)[:, None] + noise * errors


def test_noisy_views_of_one_thing_are_predicted_better_together() -> None:
    train, values = _noisy(0, 32, 8, 0.6)
    test = made_up_features(1, 200)
    noise = np.zeros_like(values)
    together = JointProcess().fit(train, values, noise, 0).predict(test)
    apart = [GaussianProcess().fit(train, v, np.zeros(32), 0).predict(test) for v in values.T]
    errors = [
        np.mean([np.mean((p.mean - _latent(test)) ** 2) for p in found])
        for found in (together, apart)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_measures_that_share_nothing_are_predicted_as_well_as_apart() -> None:
    train, test = made_up_features(0, 32), made_up_features(1, 200)
    together = JointProcess().fit(train, np.exp(-train.doses), np.zeros((32, 4)), 0).predict(test)
    for p, found in enumerate(together):
        assert np.corrcoef(found.mean, np.exp(-test.doses[:, p]))[0, 1] > 0.99


def test_missing_values_are_no_fault() -> None:
    train, values = _noisy(0, 24, 5, 0.05)
    test = made_up_features(1, 100)
    values[np.random.default_rng(2).uniform(size=values.shape) < 0.3] = np.nan
    values[1:, 4] = np.nan
    values[0, 4] = 1.0
    found = JointProcess().fit(train, values, np.zeros_like(values), 0).predict(test)
    for prediction in found[:4]:
        assert np.corrcoef(prediction.mean, _latent(test))[0, 1] > 0.95
    np.testing.assert_allclose(found[4].mean, 1.0)


def test_a_measure_that_nobody_has_is_refused() -> None:
    train, values = _noisy(0, 10, 3, 0.1)
    values[:, 1] = np.nan
    with pytest.raises(LawError, match="measure 2 of 3"):
        JointProcess().fit(train, values, np.zeros_like(values), 0)


def test_deviations_hold_what_the_components_drop() -> None:
    train, values = _noisy(0, 40, 8, 0.5)
    fitted = JointProcess(num_components=1).fit(train, values, np.zeros_like(values), 0)
    scaled = fitted.components.dropped
    assert (scaled > 0.05).all()
    deviations = fitted.components.at(fitted.own[0].rows)[1]
    assert (deviations**2 >= scaled - 1e-12).all()


def test_one_measure_and_constant_measures_are_no_fault() -> None:
    train = made_up_features(0, 12)
    one = JointProcess().fit(train, train.doses[:, :1], np.zeros((12, 1)), 0).predict(train)
    np.testing.assert_allclose(one[0].mean, train.doses[:, 0], atol=0.02)
    same = JointProcess().fit(train, np.full((12, 2), 0.7), np.zeros((12, 2)), 0).predict(train)
    np.testing.assert_allclose(same[1].mean, 0.7, atol=1e-3)


def test_same_seed_same_law_and_units_do_not_matter() -> None:
    train, values = _noisy(0, 20, 3, 0.1)
    first, again, scaled = (
        JointProcess().fit(train, values * factor, np.zeros_like(values), 0).predict(train)
        for factor in (1, 1, 64)
    )
    np.testing.assert_array_equal(first[0].mean, again[0].mean)
    np.testing.assert_allclose(scaled[1].mean, 64 * first[1].mean, rtol=1e-6)
    np.testing.assert_allclose(scaled[1].deviation, 64 * first[1].deviation, rtol=1e-6)
