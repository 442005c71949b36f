"""Tests of calibrated deviations and intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features
from scipy import stats

from mixopt.surrogate.fitting.calibrate import calibrate, coverage, quantile, reach_of


@pytest.mark.parametrize("count", [8, 16, 64, 400])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_as_many_new_runs_as_they_say(count: int, level: float) -> None:
    rng = np.random.default_rng(count)
    held = []
    for _ in range(200):
        own = np.exp(rng.standard_normal(count + 50) / 2)
        misses = own * rng.standard_normal(count + 50)
        found = calibrate(misses[:count], own[:count], np.zeros(count))
        width = found.half_width(found.deviation(own[count:]), level)
        held.append(np.mean(np.abs(misses[count:]) <= width))
    assert np.mean(held) == pytest.approx(level, abs=0.04)


def test_many_misses_have_the_conformal_quantile() -> None:
    misses = np.sort(np.abs(np.random.default_rng(0).standard_cauchy(5000)))
    np.testing.assert_allclose(quantile(misses, 0.9), stats.halfcauchy.ppf(0.9), rtol=0.1)


def test_quantiles_rise_with_the_level_and_past_the_largest_miss() -> None:
    misses = np.sort(np.abs(np.random.default_rng(1).standard_normal(12)))
    found = [quantile(misses, level) for level in (0.1, 0.5, 0.9, 0.92, 0.95, 0.99)]
    assert np.all(np.diff(found) >= 0)
    assert found[-1] > misses[-1]


def test_deviations_leave_the_known_noise_out() -> None:
    rng = np.random.default_rng(2)
    misses = np.hypot(0.3, 0.4) * rng.standard_normal(4000)
    found = calibrate(misses, np.ones(4000), np.full(4000, 0.3**2))
    np.testing.assert_allclose(found.deviation(np.ones(1)), 0.4, rtol=0.05)
    np.testing.assert_allclose(found.half_width(np.array([0.4])), 0.5 * 1.96, rtol=0.05)


@pytest.mark.parametrize("informed", [True, False])
def test_a_laws_own_doubt_counts_as_far_as_it_is_right(informed: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(3)
    own = np.exp(rng.standard_normal(200))
    misses = rng.standard_normal(200) * (own if informed else 1.0)
    assert calibrate(misses, own, np.zeros(200)).share == (0.95 if informed else 0.25)


def test_coverage_is_judged_on_other_folds() -> None:
    misses = np.concatenate([np.full(10, 100.0), np.ones(30)])
    fold = np.repeat([0, 1, 2, 3], 10)
    assert coverage(misses, np.ones(40), np.zeros(40), fold) == 0.75


def test_perfect_and_sure_predictions_are_no_fault() -> None:
    found = calibrate(np.zeros(10), np.zeros(10), np.zeros(10))
    assert np.isfinite(found.half_width(found.deviation(np.zeros(3)))).all()


def test_a_domain_that_no_run_has_lies_outside() -> None:
    features = made_up_features(0, 30)
    weights = features.weights.copy()
    weights[:, :, 3] = 0
    without = replace(features, weights=weights / weights.sum(axis=2, keepdims=True))
    reach = reach_of(without)
    assert not reach.outside(without).any()
    expected = np.sqrt(features.weights[:, 0, 3]) / reach.scale
    assert (reach.outside(features) >= expected - 1e-12).all()
