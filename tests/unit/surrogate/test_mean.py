"""Tests of the plain mean of laws."""

from __future__ import annotations

import numpy as np
from made_up_runs import made_up_features

from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.laws.mean import Mean, combine
from mixopt.surrogate.laws.ridge_log import RidgeLog
from mixopt.surrogate.laws.trees import Trees

MEMBERS = (RidgeLog(), Trees())


def test_moments_are_those_of_the_mixture_of_normals() -> None:
    rng = np.random.default_rng(0)
    parts = [(0.0, 1.0), (3.0, 0.5), (-1.0, 2.0)]
    found = combine([Prediction(mean=np.array([m]), deviation=np.array([d])) for m, d in parts])
    draws = np.concatenate([rng.normal(m, d, 200_000) for m, d in parts])
    np.testing.assert_allclose(found.mean, draws.mean(), atol=0.02)
    np.testing.assert_allclose(found.deviation, draws.std(), atol=0.02)


def test_shares_weigh_as_repetitions_do() -> None:
    low = Prediction(mean=np.array([0.0]), deviation=np.array([1.0]))
    high = Prediction(mean=np.array([3.0]), deviation=np.array([0.5]))
    found = combine([low, high], np.array([0.75, 0.25]))
    expected = combine([low, low, low, high])
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.deviation, expected.deviation)


def test_mean_is_that_of_its_members_fitted_alone() -> None:
    train, test = made_up_features(0, 20), made_up_features(1, 5)
    values, noise = train.doses[:, 0], np.zeros(20)
    alone = [law.fit(train, values, noise, 3).predict(test).mean for law in MEMBERS]
    found = Mean(laws=MEMBERS).fit(train, values, noise, 3).predict(test)
    np.testing.assert_allclose(found.mean, np.mean(alone, axis=0))
