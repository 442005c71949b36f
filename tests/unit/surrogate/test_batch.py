"""Tests of batches against what is known of made-up laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
from made_up_runs import made_up_space
from numpy.typing import NDArray

from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features, schedule_features
from mixopt.surrogate.fitting.fit import fit_measure
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.batch import Acquisition, Batch, Wanted, propose_batch
from mixopt.surrogate.proposing.exploration import Restraint

Vector = NDArray[np.float64]
SUPPLY = [100_000, 200_000, 300_000, 400_000]
CENTRE = np.array([0.4, 0.3, 0.2, 0.1])


@dataclass(frozen=True)
class Bowl:
    """Cost: squared distance of the dose from a centre; doubt: more of it with one domain."""

    name: str = "bowl"
    centre: tuple[float, ...] = tuple(CENTRE)
    doubt: float = 0.01

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> Bowl:  # noqa: ARG002 - it is known
        return self

    def predict(self, features: Features) -> Prediction:
        mean = np.sum((features.doses - self.centre) ** 2, axis=1)
        return Prediction(mean=mean, deviation=self.doubt * (1 + 5 * features.doses[:, 3]))


def _batch(space: Space, wanted: Wanted, bowl: Bowl | None = None, penalty: float = 0.0) -> Batch:
    law = bowl or Bowl()
    rng = np.random.default_rng(0)
    points = [
        {axis.name: axis.outward(rng.random()) for axis in space.coordinates()} for _ in range(12)
    ]
    schedules = [space.resolve(point) for point in points]
    features = schedule_features(schedules, space.inventory.names())
    costs = law.predict(features).mean + law.doubt * rng.standard_normal(12)
    measured = fit_measure(
        "loss", "minimize", features, costs, np.zeros(12), seed=0, laws={"bowl": law}
    )
    return propose_batch(measured, space, wanted, restraint=Restraint(penalty=penalty), seed=0)


def _doses(space: Space, batch: Batch) -> Vector:
    schedules = [found.schedule for found in batch.proposals]
    return np.asarray(schedule_features(schedules, space.inventory.names()).doses)


@pytest.mark.parametrize("acquisition", get_args(Acquisition))
def test_a_batch_is_diverse_good_and_repeatable(acquisition: Acquisition) -> None:
    space = made_up_space(SUPPLY)
    wanted = Wanted(count=6, acquisition=acquisition, candidates=256)
    batch = _batch(space, wanted)
    doses = _doses(space, batch)
    apart = np.linalg.norm(np.sqrt(doses)[:, None] - np.sqrt(doses)[None], axis=2)
    assert apart[np.triu_indices(6, 1)].min() > 0.001
    assert np.abs(doses - CENTRE).max() < 0.35
    assert batch == _batch(space, wanted)


def test_the_first_of_a_batch_is_where_the_law_promises_most() -> None:
    space = made_up_space(SUPPLY)
    batch = _batch(space, Wanted(count=3, candidates=512), Bowl(doubt=1e-4))
    np.testing.assert_allclose(_doses(space, batch)[0], CENTRE, atol=0.03)
    uniform = float(np.sum((0.25 - CENTRE) ** 2))  # the best of the baselines
    assert batch.worth == pytest.approx(uniform, rel=0.05)


def test_nothing_is_to_be_gained_once_the_best_is_run() -> None:
    space = made_up_space(SUPPLY)
    first = _batch(space, Wanted(count=2, candidates=512), Bowl(doubt=1e-6))
    done = tuple(found.point for found in first.proposals)
    later = _batch(space, Wanted(count=2, candidates=512, done=done), Bowl(doubt=1e-6))
    assert later.worth < 0.02 * first.worth


@pytest.mark.parametrize("acquisition", get_args(Acquisition))
def test_nothing_is_run_twice(acquisition: Acquisition) -> None:
    space = made_up_space(SUPPLY, max_epochs=3.0)  # the caps make points of the cube alike
    bowl = Bowl(centre=(0.3, 0.6, 0.05, 0.05), doubt=1e-3)
    first = _batch(space, Wanted(count=4, candidates=64, acquisition=acquisition), bowl)
    done = tuple(found.point for found in first.proposals)
    wanted = Wanted(count=4, candidates=64, acquisition=acquisition, done=done)
    found = [*first.proposals, *_batch(space, wanted, bowl).proposals]
    doses = schedule_features([each.schedule for each in found], space.inventory.names()).doses
    assert len(np.unique(np.round(doses, 8), axis=0)) == 8


def test_a_batch_that_shares_beginnings_differs_in_the_last_stage_alone() -> None:
    space = made_up_space(SUPPLY, stages=2)
    batch = _batch(space, Wanted(count=6, share=3, candidates=128)).proposals
    prefix = space.prefix_coordinates()
    starts = [{name: found.point[name] for name in prefix} for found in batch]
    for first in (0, 3):
        assert starts[first] == pytest.approx(starts[first + 1])
        assert starts[first] == pytest.approx(starts[first + 2])
    assert starts[0] != pytest.approx(starts[3])
    assert len({found.schedule.digest for found in batch}) == 6


def test_a_penalized_batch_stays_near_the_prior() -> None:
    space, bowl = made_up_space(SUPPLY), Bowl(centre=(0.7, 0.1, 0.1, 0.1))
    wanted = Wanted(count=4, candidates=256)
    free, held = (_batch(space, wanted, bowl, penalty) for penalty in (0.0, 2.0))
    nats = [np.mean([found.divergence for found in batch.proposals]) for batch in (free, held)]
    assert nats[1] < nats[0] / 2
