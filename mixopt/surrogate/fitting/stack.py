"""Which share every family has in the prediction of a measure, learned from rows that it did not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.calibrate import reach_of, widened
from mixopt.surrogate.fitting.members import Member, Table, scattered
from mixopt.surrogate.laws.law import FittedLaw, Prediction
from mixopt.surrogate.laws.mean import combine
from mixopt.surrogate.laws.table import PRIOR

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_SHARPNESS = 2.0  # prior share of a family: its mean square error to the power of minus this
_PRIOR_ROWS = 64.0  # how many rows the prior counts for
_ONE = 1e4  # weight of the row that holds the sum of shares at one
_NOTHING = 1e-300


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What F families predicted of one measure without the rows' folds.

    Attributes:
        table: the N runs.
        members: the families that fitted.
        left_out: why others did not, by name.
    """

    table: Table
    members: tuple[Member, ...]
    left_out: Mapping[str, str]

    def log_errors(self, judged: NDArray[np.bool_]) -> dict[str, float]:
        """Return the log of every family's mean square error, as a share of these costs' variance."""
        spread = max(float(np.var(self.table.costs[judged])), _NOTHING)
        return {
            member.name: float(np.log(max(np.mean(miss[judged] ** 2) / spread, _NOTHING)))
            for member, miss in zip(self.members, self.misses(), strict=True)
        }

    def misses(self) -> Matrix:
        """Return predicted less measured; [F, N]."""
        return np.stack([m.out_of_fold.mean for m in self.members]) - self.table.costs

    def weights(self, judged: NDArray[np.bool_], elsewhere: Mapping[str, float]) -> Vector:
        """Return the shares of the families that some of the rows speak for; [F].

        Args:
            judged: [N] the rows.
            elsewhere: mean log errors by family over all measures, this one among them.
        """
        own = self.log_errors(judged)
        expected = np.array([(own[m.name] + elsewhere[m.name]) / 2 for m in self.members])
        odds = np.array([PRIOR.get(m.name, 1.0) for m in self.members])
        prior = odds * np.exp(-_SHARPNESS * (expected - expected.min()))
        return stack_weights(self.misses()[:, judged], prior / prior.sum())


def mean_log_errors(records: Sequence[Record], without: int | None = None) -> dict[str, float]:
    """Return the mean over measures of every family's log error.

    Args:
        records: one per measure, with common numbers of folds where they share runs.
        without: a fold that is not to be looked at.
    """
    found: dict[str, list[float]] = {}
    for record in records:
        fold = record.table.fold
        judged = np.ones(len(fold), bool) if without is None else fold != without
        for name, error in record.log_errors(judged).items():
            found.setdefault(name, []).append(error)
    return {name: float(np.mean(errors)) for name, errors in found.items()}


def stack_weights(misses: Matrix, prior: Vector) -> Vector:
    """Return the shares of F families, not negative and of sum one; [F].

    Least squares on out-of-fold predictions (Wolpert 1992, "Stacked generalization"; Breiman 1996,
    "Stacked regressions", for the bounds), pulled towards prior shares u:

        min_w  sum_n (sum_f w_f r_fn)^2 + R e^2 |w - u|^2,

    r the misses and e the least of the families' root mean square misses. The pull counts for R = 64
    rows. As shares sum to one, the stack misses by the weighted sum of what the families miss.

    Args:
        misses: [F, N] predicted less measured, of rows that the families were not fitted to.
        prior: [F] shares, of sum one.
    """
    least = max(float(np.mean(misses**2, axis=1).min()), _NOTHING)
    pull = np.sqrt(_PRIOR_ROWS) * np.eye(len(prior))
    rows = np.vstack([misses.T / np.sqrt(least), pull, np.full((1, len(prior)), _ONE)])
    targets = np.concatenate([np.zeros(misses.shape[1]), pull @ prior, [_ONE]])
    found = optimize.nnls(rows, targets)[0]
    return np.asarray(found / found.sum())


def cross_fitted(record: Record, elsewhere: Sequence[Mapping[str, float]]) -> Prediction:
    """Return the stack's prediction of every row with shares learned on the other folds.

    Args:
        record: what the families predicted.
        elsewhere: mean log errors by family, one mapping per fold, of the rows outside it.
    """
    table = record.table
    parts = []
    for number in range(table.num_folds):
        judged = table.fold == number
        weights = record.weights(~judged, elsewhere[number])
        each = [m.out_of_fold for m in record.members]
        here = [Prediction(mean=p.mean[judged], deviation=p.deviation[judged]) for p in each]
        seen = table.features.rows(~judged)
        spread = float(table.costs[~judged].std())
        found = combine(here, weights)
        parts.append(widened(found, table.features.rows(judged), reach_of(seen), spread))
    return scattered(parts, table.fold)


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedStack:
    """Fitted families with their shares.

    Attributes:
        members: F fitted families.
        weights: [F] shares, of sum one.
    """

    members: tuple[FittedLaw, ...]
    weights: Vector

    def predict(self, features: Features) -> Prediction:
        """Return the combined prediction; see `combine`."""
        return combine([member.predict(features) for member in self.members], self.weights)
