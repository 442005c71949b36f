"""How well predictions order runs, over all of them and among the best, and what they know of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from mixopt.surrogate.laws.law import Prediction

Vector = NDArray[np.float64]

_FEWEST_RANKED = 3
_NODES = 64  # of the quadrature


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
        mean_absolute_error: in units of the measure.
        coverage: share of the runs in their 95% intervals; not a number where it is not known.
        chance_of_best: how probable the law thinks it that the run it predicts best is the best.
    """

    law: str
    rank_correlation: float
    top_quarter_rank_correlation: float
    regret_at_1: float
    root_mean_square_error: float
    mean_absolute_error: float = np.nan
    coverage: float = np.nan
    chance_of_best: float = np.nan


def score(law: str, predicted: Prediction, costs: Vector, *, coverage: float = np.nan) -> LawScore:
    """Judge out-of-fold predictions of costs (best when small).

    Args:
        law: the law's name.
        predicted: of N rows, made without them, with calibrated deviations.
        costs: [N] measured.
        coverage: share of the rows in their 95% intervals.
    """
    mean = predicted.mean
    best = np.argsort(costs, kind="stable")[: max(_FEWEST_RANKED, round(len(costs) / 4))]
    return LawScore(
        law=law,
        rank_correlation=rank_correlation(mean, costs),
        top_quarter_rank_correlation=rank_correlation(mean[best], costs[best]),
        regret_at_1=float(costs[np.argmin(mean)] - costs.min()),
        root_mean_square_error=float(np.sqrt(np.mean((mean - costs) ** 2))),
        mean_absolute_error=float(np.mean(np.abs(mean - costs))),
        coverage=coverage,
        chance_of_best=chance_of_best(predicted),
    )


def rank_correlation(left: Vector, right: Vector) -> float:
    """Return Spearman's rank correlation; 0 where either side is constant, as it orders nothing."""
    first, second = rankdata(left), rankdata(right)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def chance_of_best(predicted: Prediction) -> float:
    """Return the probability that the schedule of least predicted cost has the least cost.

    Costs are taken as independent and normal about their predictions; integrated over the cost
    x of the schedule predicted best, the chance is E prod_j P(cost_j > x) over the others.

    Args:
        predicted: of N schedules.
    """
    first = int(np.argmin(predicted.mean))
    others = np.arange(len(predicted.mean)) != first
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    costs = predicted.mean[first] + predicted.deviation[first] * nodes
    gaps = predicted.mean[others][:, None] - costs
    above = ndtr(gaps / np.maximum(predicted.deviation[others], 1e-300)[:, None])
    return float(weights @ above.prod(axis=0) / weights.sum())
