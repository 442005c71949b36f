"""Tests of the choice of a penalty against laws whose optimism is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_up_runs import made_up_features, made_up_space
from numpy.typing import NDArray
from test_propose import SUPPLY, Bowl, _law

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Prediction
from mixopt.surrogate.laws.ridge_log import RidgeLog
from mixopt.surrogate.proposing.candidates import divergences, prior_doses
from mixopt.surrogate.proposing.optimism import GRID, choose_penalty, penalty_for

Vector = NDArray[np.float64]


class Told:
    """Predicts what it is told."""

    def __init__(self, costs: Vector) -> None:
        self._costs = costs

    def predict(self, features: Features) -> Prediction:
        mean = self._costs[features.parameters.astype(int)]
        return Prediction(mean=mean, deviation=np.zeros(len(mean)))


def runs(count: int) -> tuple[Features, Vector, Vector]:
    rng = np.random.default_rng(0)
    found = made_up_features(0, count)
    object.__setattr__(found, "parameters", np.arange(count, dtype=float))
    return found, rng.standard_normal(count), rng.exponential(1.0, count)


def test_a_law_that_is_right_needs_no_more_than_a_little_restraint() -> None:
    features, costs, far = runs(200)
    found = choose_penalty(lambda _: Told(costs), features, costs, far, seed=0)
    assert found.costs.argmin() == 0
    assert found.penalty <= 0.1
    np.testing.assert_allclose(found.optimism, 0, atol=1e-9)


def test_a_law_that_promises_more_the_farther_it_goes_is_held_back() -> None:
    features, noise, far = runs(200)
    costs = 0.1 * noise + 0.6 * far  # what is far is worse
    wrong = costs - 1.1 * far  # and the law says that it is better
    found = choose_penalty(lambda _: Told(wrong), features, costs, far, seed=0)
    assert found.penalty == max(GRID)
    assert found.optimism[0] > found.optimism[-1] > 0
    assert found.costs[0] > 1
    assert found.costs[-1] < 0


def test_too_few_runs_keep_the_usual_penalty() -> None:
    features, costs, far = runs(12)
    found = choose_penalty(lambda _: Told(costs), features, costs, far, seed=0)
    assert found.penalty == 0.05
    assert np.isnan(found.costs).all()


def test_the_choice_depends_on_the_seed_alone() -> None:
    features, costs, far = runs(60)
    law = Told(costs + np.random.default_rng(1).standard_normal(60))
    first, again = (choose_penalty(lambda _: law, features, costs, far, seed=5) for _ in range(2))
    assert first.penalty == again.penalty
    np.testing.assert_array_equal(first.costs, again.costs)


def test_a_maximized_measure_is_judged_by_its_cost_in_the_space_of_its_prior() -> None:
    features, space = made_up_features(2, 40), made_up_space(SUPPLY)
    values = -np.sum((features.doses - 0.25) ** 2, axis=1)
    law = replace(_law(Bowl(np.zeros(4)), "maximize"), values=values)
    found = penalty_for(law, features, space, seed=0, judged=RidgeLog())
    far = divergences(features.doses, prior_doses(space, features))

    def fit(rows: NDArray[np.int64]) -> FittedLaw:
        return RidgeLog().fit(features.rows(rows), -values[rows], np.zeros(len(rows)), 0)

    expected = choose_penalty(fit, features, -values, far, seed=0)
    np.testing.assert_allclose(found.costs, expected.costs)
    assert found.penalty == expected.penalty
