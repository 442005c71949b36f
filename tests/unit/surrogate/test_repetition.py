"""The repetition law: the value of repeated tokens, its derivatives, and what it recovers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_up_runs import made_up_features

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.repetition import Repetition, kept_value

_PATIENCE = np.array([2.0, 15.0, 15.0, 6.0])


def _runs(seed: int, rows: int) -> Features:
    return replace(made_up_features(seed, rows), passes=np.array([30.0, 30.0, 0.0, 60.0]))


def _loss(features: Features) -> Vector:
    epochs = features.doses * features.passes
    unique = np.minimum(epochs, 1.0)
    repeats = np.maximum(epochs - 1, 0.0)
    worth = unique + _PATIENCE * (1 - np.exp(-repeats / _PATIENCE))
    kept = np.where(features.passes > 0, worth / np.maximum(epochs, 1e-12), 1.0)
    return np.asarray(2 + (features.doses * kept @ np.array([1.0, 2.0, 0.5, 3.0])) ** -0.4)


def test_first_epoch_is_worth_itself_and_many_are_worth_the_papers_limit() -> None:
    epochs = np.array([[0.0, 0.5, 1.0, 1e6]])
    kept = kept_value(epochs, np.full(4, 15.4))[0]
    np.testing.assert_allclose(kept[0, :3], 1.0)
    np.testing.assert_allclose(kept[0, 3] * 1e6, 1 + 15.4)


def test_derivatives_match_differences() -> None:
    def log_worth(epochs: Matrix, patience: Vector) -> Matrix:
        return np.asarray(np.log(epochs * kept_value(epochs, patience)[0]))

    epochs, step = np.array([[0.4, 1.5, 4.0, 40.0]]), np.exp(1e-6)
    _, by_epochs, by_patience = kept_value(epochs, _PATIENCE)
    up, down = log_worth(epochs * step, _PATIENCE), log_worth(epochs / step, _PATIENCE)
    np.testing.assert_allclose(by_epochs, (up - down) / 2e-6, atol=1e-7)
    up, down = log_worth(epochs, _PATIENCE * step), log_worth(epochs, _PATIENCE / step)
    np.testing.assert_allclose(by_patience, (up - down) / 2e-6, atol=1e-7)


def test_repetition_explains_what_doses_cannot() -> None:
    runs, new = _runs(0, 40), _runs(1, 100)
    errors = [
        np.abs(law.fit(runs, _loss(runs), np.zeros(40), 0).predict(new).mean - _loss(new)).mean()
        for law in (Repetition(), EffectiveData())
    ]
    assert errors[0] < 0.4 * errors[1]


def test_unknown_supplies_leave_the_effective_data_law() -> None:
    runs, new = made_up_features(2, 20), made_up_features(3, 20)
    values = _loss(runs)
    found = [law.fit(runs, values, np.zeros(20), 0) for law in (Repetition(), EffectiveData())]
    mine, plain = (law.predict(new) for law in found)
    assert not Repetition().applies(runs)
    np.testing.assert_allclose(mine.mean, plain.mean, rtol=1e-9)
    np.testing.assert_allclose(mine.deviation, plain.deviation, rtol=1e-6)
