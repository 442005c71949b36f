"""What holds for every sampler of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import get_args

import optuna
import pytest
from fake_engine import FakeEngine, Killed, killed_at, search
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.space import Space
from mixopt.study.ledger import TrialRecord
from mixopt.study.recipe import SamplerName

each_sampler = pytest.mark.parametrize("sampler", get_args(SamplerName))

_SETTINGS: Mapping[str, object] = {"trials": 10, "batch": 4, "design": 5, "seeds": 1, "lane": 4}
_COORDINATES = 5

Records = Callable[[str], list[TrialRecord]]


@pytest.fixture(scope="module")
def undisturbed(tiny_store: TokenStore, quick_folders: Callable[[], Path]) -> Records:
    @cache
    def run(sampler: str) -> list[TrialRecord]:
        setup = make_setup(tiny_store, quick_folders(), **{**_SETTINGS, "sampler": sampler})
        search(setup)
        return setup.ledger.records()

    return run


@each_sampler
def test_baselines_come_first_then_the_design_then_the_sampler(
    undisturbed: Records, sampler: str
) -> None:
    labels = [record.label for record in undisturbed(sampler)]
    assert labels[:3] == list(BASELINES)
    own = "design" if sampler == "sobol" else sampler
    assert labels[3:5] == ["design"] * 2
    assert labels[8:] == [own] * 2


@each_sampler
def test_points_are_distinct_and_inside_the_box(
    undisturbed: Records, tiny_store: TokenStore, quick_path: Path, sampler: str
) -> None:
    space = make_setup(tiny_store, quick_path).space
    records = undisturbed(sampler)
    chosen = [record.schedule_digest for record in records[3:]]
    assert len(set(chosen)) == len(chosen)
    for record in records:
        point: dict[str, float] = json.loads(record.point)
        assert set(point) == {axis.name for axis in space.coordinates()}
        assert all(axis.low <= point[axis.name] <= axis.high for axis in space.coordinates())
        assert space.resolve(point).digest == record.schedule_digest


@each_sampler
def test_a_trial_that_was_half_chosen_is_chosen_as_in_an_undisturbed_study(
    undisturbed: Records, tiny_store: TokenStore, quick_path: Path, sampler: str
) -> None:
    setup = make_setup(tiny_store, quick_path, **{**_SETTINGS, "sampler": sampler})
    first = FakeEngine()
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, optuna.trial.Trial, "suggest_float", 9 * _COORDINATES + 3)
        with pytest.raises(Killed):
            search(setup, first)
    assert len(first.trained) == 8
    search(setup)
    assert setup.ledger.records() == undisturbed(sampler)


@each_sampler
def test_trials_in_a_row_begin_alike_where_they_are_asked_to(
    tiny_store: TokenStore, quick_path: Path, sampler: str
) -> None:
    settings = {**_SETTINGS, "sampler": sampler, "share": 2, "batch": 4, "trials": 16}
    setup = make_setup(tiny_store, quick_path, **settings)
    search(setup)
    records = setup.ledger.records()
    starts = [_beginning(record, setup.space) for record in records]
    assert len({record.schedule_digest for record in records[3:]}) == 13
    groups = [3, 5, 8, 10, 12, 14] if sampler in ("law", "thompson") else [3, 5, 7, 9, 11, 13]
    for first in groups:
        assert starts[first] == pytest.approx(starts[first + 1])
    assert len({tuple(starts[first].values()) for first in groups}) == len(groups)


def _beginning(record: TrialRecord, space: Space) -> dict[str, float]:
    point: dict[str, float] = json.loads(record.point)
    return {name: round(point[name], 9) for name in sorted(space.prefix_coordinates())}


@pytest.mark.parametrize("sampler", ["law", "tpe"])
def test_a_measure_that_nothing_moves_ends_no_study(
    tiny_store: TokenStore, quick_path: Path, sampler: str
) -> None:
    settings = {**_SETTINGS, "sampler": sampler, "objective": "sft/accuracy/mean", "trials": 9}
    setup = make_setup(tiny_store, quick_path, **settings)
    engine = search(setup, FakeEngine(lambda _schedule: 0.5))
    assert len(engine.trained) == 9
