"""Early stopping: a rule, learned from whole lives, that tells after a stage who need not go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.evaluation.measure import Measure, direction_of
from mixopt.study.ledger import TrialRecord
from mixopt.study.recipe import StudySettings
from mixopt.study.trial import Trial
from mixopt.surrogate.scores import rank_correlation

Vector = NDArray[np.float64]

_FEWEST: Final = 12  # whole lives that a correlation is learned from
_FOLDS: Final = 4
_SPARED: Final = 8  # one trial in so many is never stopped
_ONE_SIDED: Final = 1.645  # of the normal distribution, at 95%
_SPEARMAN: Final = 1.06  # variance of Fisher's z of Spearman's correlation, times n - 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRule:
    """Stops a member whose measure after a stage is worse than a limit; fixed for one batch.

    Attributes:
        measure: that is looked at, `stage/name/subject`.
        limit: the worst value that goes on.
        spared: trials that go on whatever it is.
        correlation: lower bound of the rank correlation between the measure and the objective.
    """

    measure: str
    limit: float
    spared: frozenset[str]
    correlation: float

    def __call__(self, trial: str, _seed: int, measures: Sequence[Measure]) -> bool:
        """Return whether to give a member up, by its own measures alone."""
        if trial in self.spared:
            return False
        sign = _sign(self.measure)
        return any(
            sign * found.value > sign * self.limit
            for found in measures
            if found.key == self.measure
        )


def find_rule(
    settings: StudySettings, earlier: Sequence[TrialRecord], batch: Sequence[Trial], seed: int
) -> StopRule | None:
    """Return the rule of a batch, learned from earlier batches; None where nothing may be stopped.

    The correlation is learned from trials that no rule has selected: those of batches before the
    first that stopped anything, and the one in eight that is always spared. The measure is chosen
    again in every fold, so that the choice does not flatter it.

    Args:
        settings: of the study.
        earlier: trials of the search in earlier batches.
        batch: trials of this one.
        seed: names the spared trials and the folds.
    """
    wanted = settings.stopping
    if wanted is None:
        return None
    whole = _unselected(earlier, settings, seed)
    keys = _common_keys(whole, wanted.after)
    if len(whole) < _FEWEST or not keys:
        return None
    costs = _costs(whole, settings.objective)
    table = np.stack([_costs(whole, key) for key in keys], axis=1)
    bound = lower_bound(cross_validated(table, costs, seed), len(whole))
    if bound <= wanted.least_correlation:
        return None
    key = keys[_best_column(table, costs)]
    seen = [record for record in earlier if record.measures.get(key)]
    limit = _sign(key) * float(np.quantile(_costs(seen, key), wanted.keep))
    spared = frozenset(trial.name for trial in batch if is_spared(trial.number, seed))
    return StopRule(measure=key, limit=limit, spared=spared, correlation=bound)


def is_spared(number: int, seed: int) -> bool:
    """Return whether a trial of the search is one of the eighth that is never stopped."""
    return bool(seeds.generator(seed, "spared", number).integers(_SPARED) == 0)


def cross_validated(table: NDArray[np.float64], costs: Vector, seed: int) -> float:
    """Return Spearman's correlation of costs with the best column, chosen without the row itself.

    Args:
        table: [N, K] columns to choose from, counted so that less is better.
        costs: [N] that they shall rank.
        seed: names the folds.
    """
    fold = seeds.generator(seed, "folds", len(costs)).permutation(len(costs)) % _FOLDS
    found = np.empty(len(costs))
    for number in range(_FOLDS):
        inside, left_out = fold != number, fold == number
        best = table[:, _best_column(table[inside], costs[inside])]
        spread = best[inside].std() or 1.0
        found[left_out] = (best[left_out] - best[inside].mean()) / spread
    return rank_correlation(found, costs)


def lower_bound(correlation: float, count: int) -> float:
    """Return the one-sided 95% lower bound of a rank correlation.

    Fisher's z, whose variance is 1.06 / (n - 3) for Spearman's correlation (Fieller, Hartley and
    Pearson 1957, "Tests for rank correlation coefficients", Biometrika 44).

    Args:
        correlation: found, between -1 and 1.
        count: of pairs, more than 3.
    """
    z = np.arctanh(np.clip(correlation, -1 + 1e-9, 1 - 1e-9))
    return float(np.tanh(z - _ONE_SIDED * np.sqrt(_SPEARMAN / (count - 3))))


def _unselected(
    earlier: Sequence[TrialRecord], settings: StudySettings, seed: int
) -> list[TrialRecord]:
    stopped = [record.number for record in earlier if record.stopped]
    first = min(stopped) // settings.batch * settings.batch if stopped else float("inf")
    return [
        record
        for record in earlier
        if record.number < first or is_spared(record.number, seed)
        if not record.stopped
        if 0 < len(record.seeds) == len(record.measures.get(settings.objective, ()))
    ]


def _common_keys(records: Sequence[TrialRecord], stage: str) -> list[str]:
    """Return the measures after a stage that all runs of some trials have."""
    if not records:
        return []
    return [
        key
        for key in sorted(records[0].measures)
        if key.split("/")[0] == stage
        if all(len(each.measures.get(key, ())) == len(each.seeds) for each in records)
    ]


def _costs(records: Sequence[TrialRecord], key: str) -> Vector:
    return _sign(key) * np.array([np.mean(record.measures[key]) for record in records])


def _best_column(table: NDArray[np.float64], costs: Vector) -> int:
    return int(np.argmax([rank_correlation(column, costs) for column in table.T]))


def _sign(key: str) -> float:
    return 1.0 if direction_of(key) == "minimize" else -1.0
