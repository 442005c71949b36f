"""Tests of scores against scipy, draws and hand-made cases."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.scores import chance_of_best, rank_correlation, score


def test_rank_correlation_equals_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    np.testing.assert_allclose(rank_correlation(left, right), spearmanr(left, right).statistic)


def test_a_constant_orders_nothing() -> None:
    assert rank_correlation(np.zeros(4), np.arange(4.0)) == 0


def test_scores_of_a_hand_made_table() -> None:
    costs = np.arange(12.0)
    predicted = costs.copy()
    predicted[[0, 1, 2]] = [2.0, 0.0, 1.0]
    found = score("hand", Prediction(mean=predicted, deviation=np.ones(12)), costs)
    assert found.regret_at_1 == 1.0  # predicted best is row 1, of cost 1; the best is row 0
    np.testing.assert_allclose(found.root_mean_square_error, np.sqrt(6 / 12))
    np.testing.assert_allclose(found.mean_absolute_error, 4 / 12)
    np.testing.assert_allclose(found.top_quarter_rank_correlation, -0.5)
    assert found.rank_correlation > 0.97


def test_chance_of_best_is_that_of_draws() -> None:
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.3, 0.0, 0.5, 2.0]), np.array([0.2, 0.5, 1.0, 0.1])
    draws = mean + deviation * rng.standard_normal((400_000, 4))
    found = chance_of_best(Prediction(mean=mean, deviation=deviation))
    np.testing.assert_allclose(found, np.mean(draws.argmin(axis=1) == 1), atol=0.005)


def test_a_sure_prediction_is_surely_best() -> None:
    assert chance_of_best(Prediction(mean=np.array([1.0, 2.0]), deviation=np.zeros(2))) == 1
