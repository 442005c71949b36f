from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fake_engine import drills_are_good, made_up
from tiny import LEVELS, PROXY, make_setup, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.errors import DeviceError
from mixopt.study.setup import StudySetup, find_device
from mixopt.study.trial import Trial, confirm_trial, search_trial, seeds_of

_PEAKS = (
    (1.0, {"prose": 1.0}),
    (0.5, {"prose": 1.0}),
    (1.0, {"notes": 1.0}),
    (0.5, {"notes": 1.0}),
)


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
    first = setup.jobs(trials, workers=2)
    assert [len(job.members) for job in first] == [3, 3]
    assert {member.seed for job in first for member in job.members} == {0, 1}
    setup.ledger.add_results([made_up(m, drills_are_good) for m in first[1].members])
    (again,) = setup.jobs(trials)
    assert set(again.members) == set(first[0].members)


@pytest.mark.parametrize(("lane", "width"), [(5, 5), ("auto", None)])
def test_a_job_is_as_wide_as_the_study_says(
    tiny_store: TokenStore, quick_path: Path, lane: object, width: int | None
) -> None:
    trials = [search_trial(0, "design", schedule_at(tiny_store), {})]
    setup = make_setup(tiny_store, quick_path, lane=lane, share=2)
    setup.ledger.create(setup.identity())
    (job,) = setup.jobs(trials, workers=4)[:1]
    assert job.width == width
    assert job.states is not None
    assert (job.states.folder, job.states.keep_stages) == (quick_path / "states", True)


def test_members_that_begin_alike_are_in_one_job(tiny_store: TokenStore, quick_path: Path) -> None:
    schedules = [schedule_at(tiny_store, 0.5, peak, late=late) for peak, late in _PEAKS]
    trials = [search_trial(n, "design", found, {}) for n, found in enumerate(schedules)]
    jobs = _setup(tiny_store, quick_path, trials).jobs(trials, workers=4)
    together = [{(member.trial[-1], member.seed) for member in job.members} for job in jobs]
    assert sorted(map(len, together)) == [2, 2, 2, 2]
    for seed in (0, 1):
        assert {("0", seed), ("2", seed)} in together
        assert {("1", seed), ("3", seed)} in together


def test_the_search_is_measured_on_validation_and_the_rest_on_test(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    schedule = schedule_at(tiny_store)
    trials = [search_trial(0, "design", schedule, {}), confirm_trial(0, "natural", schedule, {})]
    setup = _setup(tiny_store, quick_path, trials)
    searching, confirming = (setup.jobs([trial])[0].examination for trial in trials)
    assert (searching.split, confirming.split) == ("validation", "test")
    assert searching.levels == confirming.levels == LEVELS


@pytest.mark.parametrize("study_seed", [0, 1, 999_999])
def test_no_seed_of_the_search_is_used_to_confirm(study_seed: int) -> None:
    search, confirm = (seeds_of(phase, 5000, study_seed) for phase in ("search", "confirm"))
    assert len({*search, *confirm}) == 10_000
    assert {*search, *confirm}.isdisjoint(seeds_of("search", 5000, study_seed + 1))
    with pytest.raises(ValueError, match="at most 5000 seeds"):
        seeds_of("search", 5001, study_seed)


def test_identity_leaves_out_what_may_grow(tiny_store: TokenStore, quick_path: Path) -> None:
    base = make_setup(tiny_store, quick_path).identity()
    states = {"gigabytes": 1, "seconds": 5}
    also = ["sft/accuracy/mean"]
    grown = make_setup(
        tiny_store, quick_path, trials=99, confirm_seeds=9, lane="auto", also=also, states=states
    )
    assert grown.identity() == base
    assert make_setup(tiny_store, quick_path, share=2).identity() != base
    other = replace(grown, proxy=PROXY.model_copy(update={"training": _slower()}))
    changed = {part for part, text in other.identity().items() if base[part] != text}
    assert changed == {"proxy"}


def test_steps_of_a_member_are_those_of_its_legs(tiny_store: TokenStore, quick_path: Path) -> None:
    assert make_setup(tiny_store, quick_path).steps_per_member() == 12 + 5


def _slower() -> object:
    return PROXY.training.model_copy(update={"learning_rate": 1e-4})


def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == find_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="no CUDA device"):
        find_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [find_device(name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
