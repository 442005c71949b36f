"""How well predictions order runs, over all of them and among the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Vector = NDArray[np.float64]

_FEWEST_RANKED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LawScore:
    """How well a law predicts runs that it was not fitted to.

    Attributes:
        law: its name.
        rank_correlation: Spearman's, over all runs.
        top_quarter_rank_correlation: Spearman's, among the quarter with the best measured values.
        regret_at_1: how much worse the run predicted best was measured than the best run, in units
            of the measure; 0 is right.
        root_mean_square_error: in units of the measure.
    """

    law: str
    rank_correlation: float
    top_quarter_rank_correlation: float
    regret_at_1: float
    root_mean_square_error: float


def score(law: str, predicted: Vector, costs: Vector) -> LawScore:
    """Judge out-of-fold predictions of costs (best when small).

    Args:
        law: the law's name.
        predicted: [N] predictions made without the row.
        costs: [N] measured.
    """
    best = np.argsort(costs, kind="stable")[: max(_FEWEST_RANKED, round(len(costs) / 4))]
    return LawScore(
        law=law,
        rank_correlation=rank_correlation(predicted, costs),
        top_quarter_rank_correlation=rank_correlation(predicted[best], costs[best]),
        regret_at_1=float(costs[np.argmin(predicted)] - costs.min()),
        root_mean_square_error=float(np.sqrt(np.mean((predicted - costs) ** 2))),
    )


def rank_correlation(left: Vector, right: Vector) -> float:
    """Return Spearman's rank correlation; 0 where either side is constant, as it orders nothing."""
    first, second = rankdata(left), rankdata(right)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
