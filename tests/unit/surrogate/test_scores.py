"""Tests of scores against scipy and hand-made cases."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from mixopt.surrogate.scores import rank_correlation, score


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
    found = score("hand", predicted, costs)
    assert found.regret_at_1 == 1.0  # predicted best is row 1, of cost 1; the best is row 0
    np.testing.assert_allclose(found.root_mean_square_error, np.sqrt(6 / 12))
    np.testing.assert_allclose(found.top_quarter_rank_correlation, -0.5)
    assert found.rank_correlation > 0.97
