"""Tests of proposals against the optima of known functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from made_up_runs import made_up_space
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize

from mixopt.errors import LawError
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features, schedule_features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.candidates import divergences, open_box, prior_doses
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.propose import propose

Vector = NDArray[np.float64]
SUPPLY = [100_000, 200_000, 300_000, 400_000]


@dataclass
class Bowl:
    """Cost: squared distance of the dose from a centre; doubt: share of one domain."""

    centre: Vector
    doubtful: int | None = None

    def predict(self, features: Features) -> Prediction:
        mean = np.sum((features.doses - self.centre) ** 2, axis=1)
        doubt = np.zeros(len(mean)) if self.doubtful is None else features.doses[:, self.doubtful]
        return Prediction(mean=mean, deviation=doubt)


def _law(bowl: Bowl, direction: Literal["minimize", "maximize"] = "minimize") -> MeasureLaw:
    return MeasureLaw(
        measure="loss",
        direction=direction,
        law="bowl",
        scores=(),
        out_of_fold=np.zeros(2),
        values=np.array([-1.0, 1.0]),  # standard deviation 1
        domains=("d0", "d1", "d2", "d3"),
        fitted=bowl,
    )


def _dose(space: Space, point: dict[str, float]) -> Vector:
    features = schedule_features([space.resolve(point)], space.inventory.names())
    return np.asarray(features.doses[0])


def _reference(centre: Vector, penalty: float, caps: Vector) -> Vector:
    prior = np.array(SUPPLY) / sum(SUPPLY)
    found = minimize(
        lambda w: float(np.sum((w - centre) ** 2) + penalty * np.sum(w * np.log(w / prior))),
        prior,
        bounds=[(1e-6, cap) for cap in caps],
        constraints=[LinearConstraint(np.ones(4), 1, 1)],
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("penalty", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("max_epochs", [100.0, 3.0])
def test_constrained_optimum_is_found(penalty: float, max_epochs: float) -> None:
    space = made_up_space(SUPPLY, max_epochs=max_epochs)
    centre = np.array([0.6, 0.25, 0.1, 0.05])
    caps = np.minimum(np.array(SUPPLY) * max_epochs / 1_000_000, 1)
    law = _law(Bowl(centre))
    found = propose(law, space, restraint=Restraint(penalty=penalty), seed=0, candidates=1024)
    dose = _dose(space, found.point)
    np.testing.assert_allclose(dose, _reference(centre, penalty, caps), atol=0.02)
    assert (dose <= caps + 1e-9).all()
    np.testing.assert_allclose(found.mean, np.sum((dose - centre) ** 2))
    np.testing.assert_allclose(found.penalized, -found.mean - penalty * found.divergence)


def test_two_stages_keep_caps_over_both() -> None:
    space = made_up_space(SUPPLY, stages=2, max_epochs=2.0)
    found = propose(
        _law(Bowl(np.eye(4)[0])), space, restraint=Restraint(penalty=0.0), seed=0, candidates=1024
    )
    epochs = found.schedule.epochs(space.inventory.supply(space.inventory.names()))
    assert max(epochs.values()) <= 2 + 1e-6
    assert epochs["d0"] > 1.98  # the cap binds where the optimum lies


def test_caution_keeps_away_from_doubt() -> None:
    space, law = made_up_space(SUPPLY), _law(Bowl(np.array([0.5, 0.3, 0.1, 0.1]), doubtful=0))
    bold, wary = (
        propose(law, space, restraint=Restraint(penalty=0.0, caution=c), seed=0, candidates=512)
        for c in (0.0, 1.0)
    )
    assert wary.deviation < bold.deviation - 0.1


def test_a_maximized_measure_is_maximized() -> None:
    space, centre = made_up_space(SUPPLY), np.array([0.6, 0.2, 0.1, 0.1])
    down, up = (
        propose(
            _law(Bowl(centre), direction),
            space,
            restraint=Restraint(penalty=0.1),
            seed=0,
            candidates=512,
        )
        for direction in ("minimize", "maximize")
    )
    assert up.point == down.point
    assert up.mean == -down.mean


def test_baselines_are_always_candidates() -> None:
    space = made_up_space(SUPPLY)
    natural = np.array(SUPPLY) / sum(SUPPLY)
    found = propose(
        _law(Bowl(natural)), space, restraint=Restraint(penalty=100.0), seed=0, candidates=2
    )
    np.testing.assert_allclose(_dose(space, found.point), natural, atol=0.01)
    assert found.divergence < 1e-3


def test_same_seed_same_proposal() -> None:
    space, law = made_up_space(SUPPLY, stages=2), _law(Bowl(np.array([0.4, 0.3, 0.2, 0.1])))
    first, again, other = (
        propose(law, space, restraint=Restraint(penalty=0.1), seed=seed, candidates=128)
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first.point != other.point


def test_prior_dose_follows_the_shares_of_tokens() -> None:
    space = made_up_space(SUPPLY, stages=2)
    schedule = space.resolve(space.baseline("natural"))
    features = schedule_features([schedule], space.inventory.names())
    prior = prior_doses(space, features)
    np.testing.assert_allclose(prior, features.doses, atol=0.002)  # the prior has a least weight
    np.testing.assert_allclose(divergences(prior, prior), 0, atol=1e-12)
    uniform = np.full((1, 4), 0.25)
    expected = np.sum(uniform * np.log(uniform / prior))
    np.testing.assert_allclose(divergences(uniform, prior), expected)


def test_points_of_the_cube_are_the_baselines_of_the_space() -> None:
    space = made_up_space(SUPPLY, stages=2)
    box = open_box(space)
    for row, name in enumerate(("natural", "uniform", "unimax")):
        expected = space.baseline(name)
        assert box.values(box.baselines[row]) == pytest.approx(expected)


def test_a_closed_recipe_has_nothing_to_propose() -> None:
    space = made_up_space(SUPPLY)
    stage = space.recipe.stage[0].model_copy(update={"free": None, "mixture": "natural"})
    closed = Space(
        recipe=space.recipe.model_copy(update={"stage": [stage]}), inventory=space.inventory
    )
    with pytest.raises(LawError, match="nothing to propose"):
        propose(_law(Bowl(np.ones(4) / 4)), closed, restraint=Restraint(penalty=0.0), seed=0)


def test_a_guard_holds_the_proposal_where_it_is_no_worse_than_at_natural() -> None:
    space = made_up_space(SUPPLY, max_epochs=100.0)
    law = _law(Bowl(np.array([0.7, 0.1, 0.1, 0.1])))
    guard = _law(Bowl(np.array([0.0, 0.0, 0.2, 0.8])))
    free, held = (
        propose(law, space, restraint=Restraint(penalty=0.0, guards=guards), seed=0)
        for guards in ((), (guard,))
    )
    natural = np.array(SUPPLY) / sum(SUPPLY)
    limit = float(np.sum((natural - guard.fitted.centre) ** 2))  # type: ignore[attr-defined] # a bowl
    costs = [
        float(np.sum((_dose(space, found.point) - guard.fitted.centre) ** 2))  # type: ignore[attr-defined] # a bowl
        for found in (free, held)
    ]
    assert costs[0] > limit + 0.1
    assert costs[1] < limit + 0.02
    assert held.mean > free.mean
