"""Tests of the log-linear law against laws of its own form."""

from __future__ import annotations

import numpy as np
from made_up_runs import made_up_features
from numpy.typing import NDArray

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.log_linear import LogLinear


def _truth(features: Features) -> NDArray[np.float64]:
    slopes = np.array([-3.0, -1.0, 0.0, 1.0])
    return np.asarray(2.0 + np.exp(0.3 + features.doses @ slopes))


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
