from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lanes import ABSURD, LATES, MUON, family, job, member, settings, train
from tiny import PROXY

from mixopt.corpus.store import TokenStore
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.config import ProxyRecipe
from mixopt.training import lane
from mixopt.training.lane import train_lane
from mixopt.training.runs import Reports, Runs
from mixopt.training.slots import Slots
from mixopt.training.tree import Member

pytestmark = pytest.mark.usefixtures("one_thread")

each_optimizer = pytest.mark.parametrize("proxy", [PROXY, MUON], ids=["adamw", "muon"])


class _Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many slots every step trained."""
    counts: list[int] = []
    update = Slots.update

    def counted(slots: Slots, rates: dict[int, float]) -> list[float]:
        counts.append(len(rates))
        return update(slots, rates)

    monkeypatch.setattr(Slots, "update", counted)
    return counts


def _killed(
    store: TokenStore, members: list[Member], calls: int, **changes: object
) -> list[MemberResult]:
    """Train until progress was reported some times; return what was handed back by then."""
    found: list[MemberResult] = []
    reports = Reports(progress=_bomb(calls), results=found.extend)
    with pytest.raises(_Killed):
        train_lane(job(store, members, **changes), reports)
    return found


def _bomb(calls: int) -> Callable[[int], None]:
    left = [calls]

    def report(_steps: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise _Killed

    return report


def _rest(members: list[Member], done: list[MemberResult]) -> list[Member]:
    names = {(each.trial, each.seed) for each in done}
    return [each for each in members if (each.trial, each.seed) not in names]


@each_optimizer
@pytest.mark.parametrize("calls", [1, 4, 6, 7, 20, 24, 25, 30, 38, 39])
def test_a_killed_lane_goes_on_bit_for_bit(
    tiny_store: TokenStore, quick_path: Path, proxy: ProxyRecipe, calls: int
) -> None:
    members = family(tiny_store)
    calm = train(tiny_store, members, proxy=proxy)
    states = settings(quick_path)
    done = _killed(tiny_store, members, calls, proxy=proxy, states=states)
    steps: list[int] = []
    rest = _rest(members, done)
    again = train(tiny_store, rest, proxy=proxy, states=states, steps=steps)
    found = again | {(each.trial, each.seed): _timeless(each) for each in done}
    assert found == calm
    assert sum(steps) == 17 * len(rest)


@pytest.mark.parametrize("calls", [5, 20, 36])
def test_what_was_done_before_the_end_is_not_trained_again(
    tiny_store: TokenStore, quick_path: Path, updates: list[int], calls: int
) -> None:
    members, states = family(tiny_store), settings(quick_path)
    done = _killed(tiny_store, members, calls, states=states, width=2)
    train(tiny_store, _rest(members, done), states=states, width=2)
    twice = sum(updates) - (6 + 3 * 11)
    assert 0 < twice <= 2 + 1  # the step that was under way, in every slot


def test_between_checkpoints_a_kill_costs_what_came_after_the_last(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    members, rare = family(tiny_store), settings(quick_path, interval_seconds=1e9)
    _killed(tiny_store, members, 20, states=rare)
    assert len(list((quick_path / "shared").iterdir())) == 1
    assert not (quick_path / "running").exists()
    assert train(tiny_store, members, states=rare) == train(tiny_store, members)


def test_checkpoints_take_a_small_share_of_the_time(
    tiny_store: TokenStore, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[int] = []
    monkeypatch.setattr(Runs, "save", lambda _runs, states: saves.append(len(list(states))))
    clock = itertools.count()  # a tick per look: a save takes one, a step without a save one
    monkeypatch.setattr(lane, "monotonic", lambda: float(next(clock)))
    train(tiny_store, [member(tiny_store, 1)], states=settings(quick_path, largest_share=0.2))
    assert 2 <= len(saves) <= 5


def test_a_finished_lane_leaves_only_what_can_be_shared(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    members = [*family(tiny_store), member(tiny_store, 5)]
    train(tiny_store, members, states=settings(quick_path))
    assert len(list((quick_path / "shared").iterdir())) == 1
    assert list((quick_path / "running").iterdir()) == []
    train(tiny_store, [member(tiny_store, 6)], states=settings(quick_path, keep_stages=True))
    assert len(list((quick_path / "shared").iterdir())) == 1 + 2


def test_a_later_run_begins_where_an_earlier_one_forked(
    tiny_store: TokenStore, quick_path: Path, updates: list[int]
) -> None:
    members, states = family(tiny_store), settings(quick_path, keep_stages=True)
    expected = train(tiny_store, members)
    updates.clear()
    steps: list[int] = []
    first = train(tiny_store, members[:1], states=states)
    rest = train(tiny_store, members[1:], states=states, steps=steps)
    assert first | rest == expected
    assert sum(updates) == 17 + 2 * 11
    assert sum(steps) == 2 * 17


def test_measures_of_a_cached_leg_are_copied(tiny_store: TokenStore, quick_path: Path) -> None:
    states = settings(quick_path, keep_stages=True)
    first = member(tiny_store, 1)
    steps: list[int] = []
    expected = train(tiny_store, [first], states=states)
    assert train(tiny_store, [first], states=states, steps=steps) == expected
    assert steps == [6, 6, *[1] * 5]  # both text stages at once


@pytest.mark.parametrize("limit_bytes", [0, 40_000])
def test_evicted_stages_are_trained_again(
    tiny_store: TokenStore, quick_path: Path, limit_bytes: int
) -> None:
    members = [*family(tiny_store), *family(tiny_store, 2)]
    states = settings(quick_path, limit_bytes=limit_bytes, keep_stages=True)
    expected = train(tiny_store, members)
    for _ in range(2):
        assert train(tiny_store, members, states=states) == expected
        size = sum(path.stat().st_size for path in (quick_path / "shared").iterdir())
        assert size <= limit_bytes


@pytest.mark.parametrize("folder", ["shared", "running"])
def test_damaged_states_are_trained_again(
    tiny_store: TokenStore, quick_path: Path, folder: str
) -> None:
    members, states = family(tiny_store), settings(quick_path)
    expected = train(tiny_store, members)
    done = _killed(tiny_store, members, 25, states=states)
    assert done == []
    found = list((quick_path / folder).iterdir())
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[:-3])
    assert train(tiny_store, members, states=states) == expected


def test_a_stage_that_diverged_is_known_to_later_runs(
    tiny_store: TokenStore, quick_path: Path, updates: list[int]
) -> None:
    wild = [member(tiny_store, 7, peak=ABSURD, late=late) for late in LATES]
    states = settings(quick_path)
    found = train(tiny_store, wild[:2], states=states)
    updates.clear()
    steps: list[int] = []
    (last,) = train(tiny_store, wild[2:], states=states, steps=steps).values()
    assert updates == []
    assert sum(steps) == 17
    assert last.diverged_at in {each.diverged_at for each in found.values()}


def test_processor_time_of_a_shared_stage_is_shared(tiny_store: TokenStore) -> None:
    found: list[MemberResult] = []
    reports = Reports(progress=lambda _steps: None, results=found.extend)
    train_lane(job(tiny_store, family(tiny_store)), reports)
    assert all(each.cpu_seconds > 0 for each in found)
    assert max(each.cpu_seconds for each in found) < sum(each.cpu_seconds for each in found) / 2


def _timeless(result: MemberResult) -> MemberResult:

    return replace(result, cpu_seconds=0.0)
