"""Tests of the shares of families against a general optimizer and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from mixopt.surrogate.fitting.folds import folds
from mixopt.surrogate.fitting.members import Member, Table
from mixopt.surrogate.fitting.stack import Record, cross_fitted, mean_log_errors, stack_weights
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.laws.mean import Mean

Matrix = NDArray[np.float64]


def _reference(misses: Matrix, prior: Matrix) -> Matrix:
    """Minimize what the docstring states."""
    least = np.mean(misses**2, axis=1).min()
    found = minimize(
        lambda w: np.sum((w @ misses) ** 2) + 64 * least * np.sum((w - prior) ** 2),
        prior,
        bounds=[(0, 1)] * len(prior),
        constraints=[LinearConstraint(np.ones(len(prior)), 1, 1)],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("rows", [8, 40, 400])
def test_shares_are_those_of_the_stated_problem(rows: int) -> None:
    rng = np.random.default_rng(rows)
    misses = rng.standard_normal((4, rows)) * np.array([1.0, 1.2, 2.0, 5.0])[:, None]
    prior = np.array([0.4, 0.3, 0.2, 0.1])
    found = stack_weights(misses, prior)
    np.testing.assert_allclose(found.sum(), 1)
    np.testing.assert_allclose(found, _reference(misses, prior), atol=1e-4)


def test_few_rows_stay_near_the_prior_and_many_leave_it() -> None:
    rng = np.random.default_rng(0)
    prior = np.array([0.5, 0.5])
    away = []
    for rows in (8, 64, 4096):
        misses = rng.standard_normal((2, rows)) * np.array([1.0, 3.0])[:, None]
        away.append(abs(stack_weights(misses, prior)[0] - 0.9))
    assert away[0] > away[1] > away[2]
    assert away[2] < 0.03


def test_perfect_families_are_no_fault() -> None:
    found = stack_weights(np.zeros((3, 10)), np.full(3, 1 / 3))
    np.testing.assert_allclose(found, 1 / 3)


def _record(costs: Matrix, predicted: Matrix) -> Record:
    features = made_up_features(0, len(costs))
    table = Table(
        features=features,
        costs=costs,
        noise=np.zeros(len(costs)),
        fold=folds(features, 0),
        seed=0,
    )
    members = tuple(
        Member(
            name=f"f{place}",
            out_of_fold=Prediction(mean=mean, deviation=np.ones(len(mean))),
            fitted=Mean(laws=()).fit(features, costs, costs, 0),
        )
        for place, mean in enumerate(predicted)
    )
    return Record(table=table, members=members, left_out={})


def _stacked(costs: Matrix, predicted: Matrix) -> Prediction:
    record = _record(costs, predicted)
    numbers = range(record.table.num_folds)
    return cross_fitted(record, [mean_log_errors([record], number) for number in numbers])


def test_a_judged_value_does_not_choose_its_own_shares() -> None:
    rng = np.random.default_rng(1)
    costs, predicted = rng.standard_normal(24), rng.standard_normal((3, 24))
    before = _stacked(costs, predicted)
    fold = folds(made_up_features(0, 24), 0)
    changed = np.where(fold == fold[5], costs + 10, costs)
    after = _stacked(changed, predicted)
    np.testing.assert_array_equal(after.mean[fold == fold[5]], before.mean[fold == fold[5]])
    assert not np.allclose(after.mean, before.mean)


def test_errors_are_pooled_over_measures_in_units_of_their_spread() -> None:
    rng = np.random.default_rng(2)
    costs, misses = rng.standard_normal(24), rng.standard_normal((2, 24))
    one = _record(costs, costs + misses)
    other = _record(64 * costs, 64 * (costs + 3 * misses))
    found, alone = mean_log_errors([one, other]), mean_log_errors([one])
    for name in alone:
        np.testing.assert_allclose(found[name], alone[name] + np.log(9) / 2)
