"""Carried laws as laws of measures: scores, intervals, directions and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import fit_measure
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.law import Vector
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.scaling.transferred_law import fit_transfer, fit_transfers


def _accuracy(features: Features) -> Vector:
    return np.asarray(1 - (features.doses @ np.array([0.3, 1.0, 2.0, 0.5])) ** -0.3)


def _source() -> MeasureLaw:
    runs, laws = made_up_features(0, 24), {"effective_data": EffectiveData()}
    values = _accuracy(runs)
    return fit_measure("accuracy", "maximize", runs, values, np.zeros(24), seed=0, laws=laws)


def test_carried_law_predicts_in_units_of_the_measure() -> None:
    runs, new = made_up_features(1, 8), made_up_features(2, 60)
    found = fit_transfer(_source(), runs, 0.2 + 0.7 * _accuracy(runs), np.zeros(8))
    truth = 0.2 + 0.7 * _accuracy(new)
    low, high = found.interval(new)
    assert np.abs(found.predict(new).mean - truth).max() < 0.05
    assert np.mean((low <= truth) & (truth <= high)) > 0.9
    np.testing.assert_allclose(found.out_of_fold, found.values, atol=0.05)


def test_intervals_are_no_wider_than_misses_for_the_doubt_of_the_source() -> None:
    held, widths = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        train, runs, new = (
            made_up_features(3 * seed + n, rows) for n, rows in enumerate((32, 16, 99))
        )
        known, few, truth = (
            _accuracy(each) + noise * rng.standard_normal(each.num_rows)
            for each, noise in ((train, 0.1), (runs, 0.02), (new, 0.02))
        )
        laws = {"effective_data": EffectiveData()}
        source = fit_measure("m", "maximize", train, known, np.zeros(32), seed=0, laws=laws)
        law = fit_transfer(source, runs, few, np.zeros(16))
        low, high = law.interval(new)
        held.append(np.mean((low <= truth) & (truth <= high)))
        widths.append(np.mean(high - low) / np.abs(law.predict(new).mean - truth).std())
    assert np.mean(held) > 0.91
    assert np.mean(widths) < 8


def test_measures_are_carried_together_by_name() -> None:
    source, features = _source(), made_up_features(3, 8)
    values = np.column_stack([np.full(8, np.nan), _accuracy(features)])
    values[0, 1] = np.nan
    runs = Runs(
        names=tuple("abcdefgh"),
        features=features,
        measures=("other", "accuracy"),
        directions=("minimize", "maximize"),
        values=values,
        noise=np.zeros((8, 2)),
    )
    found = fit_transfers({"accuracy": source}, runs)
    assert list(found) == ["accuracy"]
    assert found["accuracy"].rows.tolist() == list(range(1, 8))
    with pytest.raises(LawError, match="no law can be carried"):
        fit_transfers({"accuracy": source}, runs.only(["other"]))


def test_two_runs_or_other_domains_are_refused() -> None:
    source, runs = _source(), made_up_features(4, 2)
    with pytest.raises(LawError, match="cannot be carried"):
        fit_transfer(source, runs, _accuracy(runs), np.zeros(2))
    with pytest.raises(LawError, match="cannot be carried"):
        fit_transfer(source, replace(runs, domains=tuple("wxyz")), np.ones(2), np.zeros(2))
