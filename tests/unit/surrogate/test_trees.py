"""Tests of boosted trees in studies of few runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.surrogate.laws.trees import Trees
from mixopt.surrogate.scores import rank_correlation


def test_step_function_is_recovered_through_noise() -> None:
    train, test = made_up_features(0, 120), made_up_features(1, 200)
    values = (train.doses[:, 0] > 0.3) + 0.05 * np.random.default_rng(2).standard_normal(120)
    found = Trees().fit(train, values, np.zeros(120), 0).predict(test)
    expected = (test.doses[:, 0] > 0.3).astype(float)
    assert np.sqrt(np.mean((found.mean - expected) ** 2)) < 0.5 * expected.std()


@pytest.mark.parametrize("rows", [6, 8, 16])
def test_few_rows_still_split(rows: int) -> None:
    train = made_up_features(0, rows)
    found = Trees().fit(train, train.doses[:, 0], np.zeros(rows), 0).predict(train)
    assert np.corrcoef(found.mean, train.doses[:, 0])[0, 1] > 0.7


def test_noisy_rows_weigh_less() -> None:
    train = made_up_features(0, 80)
    noise = np.where(np.arange(80) % 4 == 0, 4.0, 0.0)
    values = train.doses[:, 0] + np.sqrt(noise) * np.random.default_rng(1).standard_normal(80)
    blind = Trees().fit(train, values, np.zeros(80), 0).predict(train)
    told = Trees().fit(train, values, noise, 0).predict(train)
    clean = noise == 0
    error = [np.abs(p.mean - train.doses[:, 0])[clean].mean() for p in (blind, told)]
    assert error[1] < 0.8 * error[0]


def test_bags_differ_and_their_spread_is_reported() -> None:
    train = made_up_features(0, 30)
    fitted = Trees().fit(train, train.doses[:, 0], np.zeros(30), 0)
    each = np.stack([np.asarray(member.predict(train.doses)) for member in fitted.members])
    found = fitted.predict(train)
    scale = fitted.units.scale
    np.testing.assert_allclose(found.deviation, each.std(axis=0, ddof=1) * scale)
    assert found.deviation.min() > 0


def test_groups_and_settings_are_seen() -> None:
    features = made_up_features(0, 80, domains=4)
    rng = np.random.default_rng(1)
    seen = replace(
        features,
        groups=("web", "made", "made", "web"),
        settings=("order",),
        numbers=rng.random((80, 1)),
    )
    costs = np.where(seen.group_doses[:, 1] > 0.5, 1.0, 0.0) + np.where(
        seen.numbers[:, 0] > 0.5, 1.0, 0.0
    )
    train, test = np.arange(60), np.arange(60, 80)
    found = Trees().fit(seen.rows(train), costs[train], np.zeros(60), 0).predict(seen.rows(test))
    assert rank_correlation(found.mean, costs[test]) > 0.85
