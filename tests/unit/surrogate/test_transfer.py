"""Carrying laws to new runs: calibration, pooled slopes, residuals, exact left-out predictions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import Prediction, Vector
from mixopt.surrogate.scaling.transfer import Slope, Transferred, pool, transfer
from mixopt.surrogate.scores import rank_correlation


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A law that is already known."""

    worth: Vector = field(default_factory=lambda: np.array([1.0, -0.5, 0.2, 2.0]))

    def predict(self, features: Features) -> Prediction:
        mean = features.doses @ self.worth
        return Prediction(mean=mean, deviation=np.zeros(len(mean)))


def _bent(features: Features) -> Vector:
    """What no affine map of the source explains."""
    return np.asarray(np.sqrt(features.doses[:, 0]) - np.sqrt(features.doses[:, 1]))


def test_exact_affine_relation_is_found_from_four_runs() -> None:
    law, runs, new = Linear(), made_up_features(0, 4), made_up_features(1, 50)
    values = 3.0 + 0.6 * law.predict(runs).mean
    found = Transferred(source=law).fit(runs, values, np.zeros(4), 0)
    np.testing.assert_allclose(
        found.predict(new).mean, 3.0 + 0.6 * law.predict(new).mean, atol=0.02
    )
    assert found.slope.centre == pytest.approx(0.6, abs=0.03)


def test_left_out_predictions_equal_refits_without_the_run() -> None:
    law, runs = Linear(), made_up_features(2, 7)
    values = 1 + 0.8 * law.predict(runs).mean + 0.2 * _bent(runs)
    whole = Transferred(source=law).fit(runs, values, np.full(7, 1e-3), 0)
    frame = whole.frame
    kept = np.arange(1, 7)
    logs, means = [], []
    for member in whole.members:
        covariance = frame.covariance(member.setting, frame.rows, frame.lean)
        noisy = covariance + np.diag(member.within)
        residual = values - frame.level - frame.slope.centre * frame.lean
        inner = noisy[np.ix_(kept, kept)]
        solved = np.linalg.solve(inner, residual[kept])
        log = -0.5 * residual[kept] @ solved - 0.5 * np.linalg.slogdet(inner)[1]
        logs.append(log + member.setting.prior)
        centre = frame.level + frame.slope.centre * frame.lean[0]
        means.append(centre + covariance[0, kept] @ solved)
    shares = np.exp(np.array(logs) - max(logs))
    expected = shares @ np.array(means) / shares.sum()
    assert whole.alone.mean[0] == pytest.approx(expected, abs=2e-3 * frame.spread)


def test_few_runs_calibrate_and_many_runs_bend() -> None:
    law, new = Linear(), made_up_features(4, 200)
    truth = law.predict(new).mean + 0.5 * _bent(new)
    ranks, plain = [], []
    for count in (6, 60):
        runs = made_up_features(3, count)
        values = law.predict(runs).mean + 0.5 * _bent(runs)
        found = Transferred(source=law).fit(runs, values, np.zeros(count), 0)
        ranks.append(rank_correlation(found.predict(new).mean, truth))
        affine = [member.setting.amplitude == 0 for member in found.members]
        plain.append(found.shares[affine].sum())
    assert ranks[1] > max(ranks[0], 0.98)
    assert plain[0] > 0.05 > plain[1]


def test_pooled_slopes_help_measures_of_few_runs() -> None:
    rng = np.random.default_rng(0)
    laws = [Linear(worth=rng.normal(size=4)) for _ in range(10)]
    runs = made_up_features(5, 4)
    scatter = 0.3 * rng.normal(size=(4, 10))
    values = np.stack([2 + 0.4 * law.predict(runs).mean for law in laws], axis=1) + scatter
    errors = []
    for pooled in (True, False):
        found = transfer(laws, runs, values, np.zeros_like(values), pooled=pooled)
        slopes = np.array([law.slope.centre for law in found])
        errors.append(np.mean((slopes - 0.4) ** 2))
    assert errors[0] < 0.85 * errors[1]


def test_pool_keeps_the_prior_where_nothing_was_learned() -> None:
    prior = Slope()
    found = pool([Slope(centre=1.0, deviation=0.4999)] * 3, prior)
    assert found.centre == pytest.approx(1.0, abs=1e-3)


def test_noisy_values_pull_less() -> None:
    law, runs = Linear(), made_up_features(7, 8)
    values = law.predict(runs).mean.copy()
    values[0] += 3.0
    noise = np.zeros(8)
    found = []
    for variance in (0.0, 9.0):
        noise[0] = variance
        fitted = Transferred(source=law).fit(runs, values, noise, 0)
        error = fitted.predict(runs).mean[1:] - law.predict(runs).mean[1:]
        found.append(np.abs(error).mean())
    assert found[1] < 0.5 * found[0]


def test_missing_values_leave_other_measures_alone() -> None:
    laws, runs = [Linear(), Linear()], made_up_features(8, 6)
    values = np.stack([law.predict(runs).mean for law in laws], axis=1)
    values[0, 0] = np.nan
    found = transfer(laws, runs, values, np.zeros_like(values))
    assert [len(law.alone.mean) for law in found] == [5, 6]
