"""Tests of the parametric laws: derivatives, recovery of their own equations, order and settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.autoscale import AutoScale
from mixopt.surrogate.laws.bimix import BiMix
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.exponential_mixing import ExponentialMixing
from mixopt.surrogate.laws.exposure import ExposureForm
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.least_squares import FittedForm
from mixopt.surrogate.laws.log_linear import LogLinear
from mixopt.surrogate.laws.ridge_log import RidgeLog
from mixopt.surrogate.scores import rank_correlation

Array = NDArray[np.float64]
LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        EffectiveData(),
        ExponentialMixing(),
        LogLinear(),
        BiMix(),
        AutoScale(),
        RidgeLog(),
    )
}
each_law = pytest.mark.parametrize("name", list(LAWS))


def _own(name: str, doses: Array) -> Array:
    """Return the values of a law's own equation, written out domain by domain."""
    a, b, c, d = doses.T
    match name:
        case "effective_data":
            worth = 9 * a**0.8 + 2 * b**0.8 + c**0.8 + 0.8 * d**0.8
            return np.asarray(2 + 3 * worth**-0.3)
        case "exponential_mixing":
            return np.asarray(1 + np.exp(-3 * a + b) + 0.5 * np.exp(-4 * c))
        case "log_linear":
            return np.asarray(2 + np.exp(0.3 - 3 * a - b + d))
        case "bimix":
            return np.asarray(1 + 0.8 * (a + 0.01) ** -0.2 + 0.1 * (b + 0.01) ** -0.4)
        case "autoscale":
            return np.asarray(1 + (0.05 + a) ** -0.3 + (0.2 + b) ** -0.1)
        case _:
            return np.asarray(3 - 0.5 * np.log(a + 1e-3) - 0.1 * np.log(b + 1e-3))


def _fitted(name: str, features: Features, values: Array) -> FittedForm:
    found = LAWS[name].fit(features, values, np.zeros(len(values)), 0)
    assert isinstance(found, FittedForm)
    return found


@each_law
@pytest.mark.parametrize("stages", [1, 3])
def test_derivatives_equal_finite_differences(name: str, stages: int) -> None:
    features = made_up_features(0, 12, stages=stages)
    features.weights[:3, :, 1] = 0.0
    features = replace(features, settings=("z",), numbers=features.doses[:, :1])
    form = _fitted(name, features, _own("log_linear", features.doses)).form
    assert isinstance(form, ExposureForm)
    columns, size = form.columns(features), len(form.prior.centre)
    where = form.prior.centre + 0.3 * np.random.default_rng(1).standard_normal(size)
    value, slopes = form.value(columns, where)
    steps = 1e-6 * np.eye(size)
    numeric = [(form.value(columns, where + step)[0] - value) / 1e-6 for step in steps]
    np.testing.assert_allclose(slopes, np.transpose(numeric), rtol=1e-3, atol=1e-4)


@each_law
def test_law_of_its_own_form_is_recovered_through_noise(name: str) -> None:
    train, test = made_up_features(0, 60), made_up_features(1, 200)
    truth, expected = _own(name, train.doses), _own(name, test.doses)
    values = truth + 0.02 * truth.std() * np.random.default_rng(2).standard_normal(60)
    found = _fitted(name, train, values).predict(test)
    error = found.mean - expected
    assert np.sqrt(np.mean(error**2)) < 0.06 * expected.std()
    assert 0.7 < np.mean(np.abs(error) < 1.96 * found.deviation) <= 1


@each_law
@pytest.mark.parametrize("stage", [None, 0, 1])
def test_order_counts_as_far_as_the_runs_show_it(name: str, stage: int | None) -> None:
    train, test = made_up_features(0, 60, stages=2), made_up_features(1, 200, stages=2)

    def truth(features: Features) -> Array:
        factors = np.ones(2) if stage is None else np.where(np.arange(2) == stage, 2.0, 0.5)
        given = (features.tokens * factors)[:, :, None] * features.weights
        return _own(name, given.sum(axis=1))

    found = _fitted(name, train, truth(train)).predict(test)
    assert np.sqrt(np.mean((found.mean - truth(test)) ** 2)) < 0.25 * truth(test).std()


@each_law
def test_settings_are_learned_beside_the_mixture(name: str) -> None:
    train, test = made_up_features(0, 60), made_up_features(1, 200)
    rng = np.random.default_rng(2)
    train = replace(train, settings=("z",), numbers=rng.uniform(size=(60, 1)))
    test = replace(test, settings=("z",), numbers=rng.uniform(size=(200, 1)))

    def truth(features: Features) -> Array:
        bend = np.asarray((features.numbers[:, 0] - 0.7) ** 2)
        return _own(name, features.doses) + bend

    found = _fitted(name, train, truth(train)).predict(test)
    assert np.sqrt(np.mean((found.mean - truth(test)) ** 2)) < 0.1 * truth(test).std()


@each_law
def test_fewer_runs_than_domains_are_ranked_with_doubt(name: str) -> None:
    train, test = made_up_features(0, 10, domains=16), made_up_features(1, 200, domains=16)
    own = _own("effective_data", test.doses[:, :4])
    found = _fitted(name, train, _own("effective_data", train.doses[:, :4])).predict(test)
    assert rank_correlation(found.mean, own) > 0.15
    assert np.mean(np.abs(found.mean - own) < 3 * found.deviation) > 0.6


def test_one_wild_run_hardly_moves_the_law() -> None:
    train, test = made_up_features(0, 40), made_up_features(1, 200)
    values, expected = (_own("effective_data", f.doses) for f in (train, test))
    values[7] += 5 * values.std()
    found = _fitted("effective_data", train, values).predict(test)
    assert np.sqrt(np.mean((found.mean - expected) ** 2)) < 0.15 * expected.std()
