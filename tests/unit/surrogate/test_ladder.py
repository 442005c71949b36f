"""The ladder: predictions at and beyond its rungs, their intervals, and changes of order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.law import Vector
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.scaling.climb import Rung
from mixopt.surrogate.scaling.ladder import Ladder, fit_ladder
from mixopt.surrogate.scores import rank_correlation

_FAMILY = {"effective_data": EffectiveData()}
_SIZES = ((1e6, 2e7), (1e7, 2e8), (1e8, 2e9), (1e9, 2e10))


def _loss(features: Features, size: tuple[float, float]) -> Vector:
    """Bits per byte whose worths drift with size."""
    drift = np.log10(size[0] / 1e6) * np.array([0.2, -0.2, 0.0, 0.1])
    worth = features.doses @ (np.array([1.0, 2.0, 0.5, 1.5]) * np.exp(drift))
    return np.asarray(0.6 + worth**-0.4 + 40 * size[0] ** -0.3 + 60 * size[1] ** -0.3)


def _rung(number: int, count: int) -> Rung:
    features, size = made_up_features(number, count), _SIZES[number]
    loss = _loss(features, size)
    runs = Runs(
        names=tuple(str(row) for row in range(count)),
        features=features,
        measures=("loss", "skill"),
        directions=("minimize", "maximize"),
        values=np.column_stack([loss, 5 - loss]),
        noise=np.zeros((count, 2)),
    )
    return Rung(parameters=size[0], tokens=size[1], runs=runs)


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return fit_ladder([_rung(2, 8), _rung(0, 30), _rung(1, 12)], seed=0, laws=_FAMILY)


def test_rungs_are_predicted_by_their_own_laws(ladder: Ladder) -> None:
    new = made_up_features(9, 50)
    for size in _SIZES[:3]:
        found = ladder.predict("loss", new, *size)
        assert np.abs(found.mean - _loss(new, size)).mean() < 0.03


def test_intervals_at_the_first_rung_count_every_miss_once() -> None:
    rungs = [_rung(0, 64), _rung(1, 8)]
    rng, new = np.random.default_rng(0), made_up_features(9, 400)
    noisy = [
        replace(rung, runs=replace(rung.runs, values=rung.runs.values + noise))
        for rung in rungs
        for noise in [0.1 * rng.standard_normal(rung.runs.values.shape)]
    ]
    found = fit_ladder(noisy, seed=0, laws=_FAMILY)
    truth = _loss(new, _SIZES[0]) + 0.1 * rng.standard_normal(400)
    low, high = found.interval("loss", new, *_SIZES[0])
    assert 0.9 < np.mean((low <= truth) & (truth <= high)) < 0.98


def test_a_larger_target_is_foreseen_within_its_interval(ladder: Ladder) -> None:
    new, size = made_up_features(9, 50), _SIZES[3]
    truth = _loss(new, size)
    low, high = ladder.interval("loss", new, *size)
    found, below = (ladder.predict("loss", new, *where).mean for where in (size, _SIZES[2]))
    assert rank_correlation(found, truth) > rank_correlation(below, truth)
    assert np.abs(found - truth).mean() < 0.3 * np.abs(below - truth).mean()
    assert np.mean((low <= truth) & (truth <= high)) > 0.95


def test_a_largest_rung_that_taught_the_others_is_no_test_of_them() -> None:
    rungs = [_rung(number, count) for number, count in enumerate((5, 5, 24))]
    found, new = fit_ladder(rungs, seed=0, laws=_FAMILY), made_up_features(9, 200)
    low, high = found.interval("loss", new, *_SIZES[3])
    truth = _loss(new, _SIZES[3])
    assert np.mean((low <= truth) & (truth <= high)) > 0.92


def test_doubt_grows_beyond_the_ladder(ladder: Ladder) -> None:
    new = made_up_features(9, 10)
    sizes = (*_SIZES[2:], (1e10, 2e11))
    widths = [np.subtract(*ladder.interval("loss", new, *size)[::-1]).mean() for size in sizes]
    assert widths[0] < widths[1] < widths[2]


def test_directions_mirror(ladder: Ladder) -> None:
    new = made_up_features(9, 10)
    loss, skill = (ladder.predict(name, new, 5e8, 1e10) for name in ("loss", "skill"))
    np.testing.assert_allclose(skill.mean, 5 - loss.mean, atol=0.02)


def test_flips_are_pairs_whose_order_changes(ladder: Ladder) -> None:
    new, target = made_up_features(10, 60), _SIZES[3]
    found = ladder.flips("loss", new, *target)
    largest, there = (ladder.predict("loss", new, *size).mean for size in (_SIZES[2], target))
    assert len(found.best) == 8
    assert found.best[0] == largest.argmin()
    assert found.flips
    for flip in found.flips:
        assert largest[flip.better] < largest[flip.overtaken_by]
        assert there[flip.better] - there[flip.overtaken_by] == pytest.approx(flip.gain)
        assert _SIZES[2][0] < flip.parameters <= target[0] * 1.0001


def test_two_rungs_keep_the_level_in_doubt() -> None:
    ladder = fit_ladder([_rung(0, 30), _rung(1, 8)], seed=0, laws=_FAMILY)
    new = made_up_features(9, 50)
    low, high = ladder.interval("loss", new, *_SIZES[2])
    truth = _loss(new, _SIZES[2])
    assert np.mean((low <= truth) & (truth <= high)) > 0.95


def test_what_is_no_ladder_is_refused(ladder: Ladder) -> None:
    with pytest.raises(LawError, match="no ladder"):
        fit_ladder([_rung(0, 30)], seed=0, laws=_FAMILY)
    with pytest.raises(LawError, match="no rung of the ladder"):
        fit_ladder([_rung(0, 4), _rung(1, 4)], seed=0, laws=_FAMILY)
    with pytest.raises(LawError, match="no measure 'other'"):
        ladder.predict("other", made_up_features(0, 1), 1e6, 1e7)
