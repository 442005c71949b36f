"""Tests of fronts against those of known functions."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import made_up_space
from test_propose import SUPPLY, Bowl, _dose, _law

from mixopt.errors import LawError
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.pareto import propose_front, undominated

ONE, OTHER = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.1, 0.1, 0.7])


def test_undominated_rows_are_those_that_no_other_beats() -> None:
    rng = np.random.default_rng(0)
    costs = np.round(rng.random((60, 3)), 1)
    pairs = costs[:, None], costs[None]
    better = np.all(pairs[0] <= pairs[1], axis=2) & np.any(pairs[0] < pairs[1], axis=2)
    expected = np.flatnonzero(~better.any(axis=0)).tolist()
    found = undominated(costs)
    assert {tuple(costs[row]) for row in found} == {tuple(costs[row]) for row in expected}
    assert len(found) == len({tuple(costs[row]) for row in expected})


def test_the_front_of_two_bowls_is_the_line_between_their_centres() -> None:
    space = made_up_space(SUPPLY)
    laws = [_law(Bowl(ONE)), _law(Bowl(OTHER))]
    found = propose_front(laws, space, restraint=Restraint(penalty=0, caution=0), seed=0)
    doses = np.array([_dose(space, each.point) for each in found.compromises])
    along = (doses - ONE) @ (OTHER - ONE) / np.sum((OTHER - ONE) ** 2)
    np.testing.assert_allclose(doses, ONE + along[:, None] * (OTHER - ONE), atol=0.05)
    assert along[0] < 0.03
    assert along[-1] > 0.97
    assert (np.diff(along) > 0).all()
    assert along[found.knee] == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(found.losses, 0.72 * (1 - np.eye(2)), atol=0.06)


def test_the_front_is_the_same_under_a_seed_and_knows_every_measure() -> None:
    space = made_up_space(SUPPLY)
    laws = [_law(Bowl(ONE)), _law(Bowl(OTHER), "maximize")]
    first, again = (propose_front(laws, space, seed=3, candidates=128) for _ in range(2))
    assert first.compromises == again.compromises
    for each in first.compromises:
        assert set(each.predictions) == {"loss"}  # both laws of the fake have one name


def test_one_objective_has_no_front() -> None:
    with pytest.raises(LawError, match="two objectives"):
        propose_front([_law(Bowl(ONE))], made_up_space(SUPPLY), seed=0)
