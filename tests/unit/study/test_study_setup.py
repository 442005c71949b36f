from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import drills_are_good, made_up
from tiny import LEVELS, PROXY, make_setup, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.study.setup import StudySetup
from mixopt.study.trial import Trial, confirm_trial, search_trial, seeds_of


def _setup(store: TokenStore, folder: Path, trials: list[Trial]) -> StudySetup:
    setup = make_setup(store, folder)
    setup.ledger.create(setup.identity())
    setup.ledger.add_trials(trials)
    return setup


def test_jobs_are_the_seeds_that_are_not_noted_yet(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    schedules = [schedule_at(tiny_store, share) for share in (0.3, 0.5, 0.7)]
    trials = [search_trial(n, "design", found, {}) for n, found in enumerate(schedules)]
    setup = _setup(tiny_store, quick_path, trials)
    first = setup.jobs(trials)
    assert [len(job.members) for job in first] == [3, 3]
    assert {member.seed for job in first for member in job.members} == {0, 1}
    setup.ledger.add_results([made_up(m, drills_are_good) for m in first[1].members])
    (again,) = setup.jobs(trials)
    assert again.members == first[0].members


def test_the_search_is_measured_on_validation_and_the_rest_on_test(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    schedule = schedule_at(tiny_store)
    trials = [search_trial(0, "design", schedule, {}), confirm_trial(0, "natural", schedule, {})]
    setup = _setup(tiny_store, quick_path, trials)
    searching, confirming = (setup.jobs([trial])[0].examination for trial in trials)
    assert (searching.split, confirming.split) == ("validation", "test")
    assert searching.levels == confirming.levels == LEVELS


def test_members_with_other_legs_are_in_lanes_of_their_own(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    schedule = schedule_at(tiny_store)
    short = replace(schedule, stages=schedule.stages[:2])
    trials = [search_trial(n, "design", s, {}) for n, s in enumerate((schedule, short, schedule))]
    jobs = _setup(tiny_store, quick_path, trials).jobs(trials)
    lanes = [{member.trial for member in job.members} for job in jobs]
    assert {"search-0001"} in lanes
    assert all("search-0001" not in lane for lane in lanes if len(lane) > 1)


@pytest.mark.parametrize("study_seed", [0, 1, 999_999])
def test_no_seed_of_the_search_is_used_to_confirm(study_seed: int) -> None:
    search, confirm = (seeds_of(phase, 5000, study_seed) for phase in ("search", "confirm"))
    assert len({*search, *confirm}) == 10_000
    assert {*search, *confirm}.isdisjoint(seeds_of("search", 5000, study_seed + 1))
    with pytest.raises(ValueError, match="at most 5000 seeds"):
        seeds_of("search", 5001, study_seed)


def test_identity_leaves_out_what_may_grow(tiny_store: TokenStore, quick_path: Path) -> None:
    base = make_setup(tiny_store, quick_path).identity()
    grown = make_setup(
        tiny_store, quick_path, trials=99, confirm_seeds=9, lane=1, also=["sft/accuracy/mean"]
    )
    assert grown.identity() == base
    other = replace(grown, proxy=PROXY.model_copy(update={"training": _slower()}))
    changed = {part for part, text in other.identity().items() if base[part] != text}
    assert changed == {"proxy"}


def test_steps_of_a_member_are_those_of_its_legs(tiny_store: TokenStore, quick_path: Path) -> None:
    assert make_setup(tiny_store, quick_path).steps_per_member() == 12 + 5


def _slower() -> object:
    return PROXY.training.model_copy(update={"learning_rate": 1e-4})
