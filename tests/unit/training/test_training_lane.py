from __future__ import annotations

from dataclasses import replace

import pytest
from tiny import EXAMINATION, PROXY, TEXT_DOMAINS, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.config import ProxyRecipe
from mixopt.training.lane import LaneJob, Member, train_lane

pytestmark = pytest.mark.usefixtures("one_thread")

_MUON = PROXY.model_copy(
    update={"training": PROXY.training.model_copy(update={"optimizer": "muon"})}
)
_ABSURD = 1e30


def _train(store: TokenStore, *members: Member, proxy: ProxyRecipe = PROXY) -> list[MemberResult]:
    job = LaneJob(proxy=proxy, store=store, members=members, examination=EXAMINATION)
    return [replace(result, cpu_seconds=0.0) for result in train_lane(job, lambda _steps: None)]


def _member(store: TokenStore, seed: int, share: float = 0.5, peak: float = 1.0) -> Member:
    schedule = schedule_at(store, share, peak)
    return Member(trial=f"trial-{share}-{peak}", seed=seed, schedule=schedule)


@pytest.mark.parametrize("proxy", [PROXY, _MUON], ids=["adamw", "muon"])
def test_a_member_of_a_lane_equals_the_same_member_alone(
    tiny_store: TokenStore, proxy: ProxyRecipe
) -> None:
    members = [
        _member(tiny_store, seed, share) for seed, share in ((1, 0.3), (2, 0.6), (1, 0.6), (3, 0.5))
    ]
    together = _train(tiny_store, *members, proxy=proxy)
    assert len({result.measures for result in together}) == 4
    for member, found in zip(members, together, strict=True):
        assert _train(tiny_store, member, proxy=proxy) == [found]


@pytest.mark.parametrize("proxy", [PROXY, _MUON], ids=["adamw", "muon"])
def test_a_diverging_neighbour_is_never_noticed(tiny_store: TokenStore, proxy: ProxyRecipe) -> None:
    calm, wild = _member(tiny_store, 1), _member(tiny_store, 2, peak=_ABSURD)
    first, broken, last = _train(tiny_store, calm, wild, replace(calm, seed=5), proxy=proxy)
    assert broken.diverged_at is not None
    assert first.diverged_at is last.diverged_at is None
    assert [first] == _train(tiny_store, calm, proxy=proxy)
    assert [last] == _train(tiny_store, replace(calm, seed=5), proxy=proxy)


def test_a_diverged_member_has_no_measures(tiny_store: TokenStore) -> None:
    (broken,) = _train(tiny_store, _member(tiny_store, 2, peak=_ABSURD))
    assert broken.diverged_at is not None
    assert 0 < broken.diverged_at < 12
    assert broken.measures == ()


def test_same_lane_twice_gives_the_same_numbers(tiny_store: TokenStore) -> None:
    members = _member(tiny_store, 1), _member(tiny_store, 2, 0.4)
    assert _train(tiny_store, *members) == _train(tiny_store, *members)


def test_text_is_measured_after_every_leg_and_tasks_after_tuning(tiny_store: TokenStore) -> None:
    (result,) = _train(tiny_store, _member(tiny_store, 1))
    keys = {(measure.stage, measure.name) for measure in result.measures}
    tasks = {"margin", "answer_bits_per_byte", "answer_probability", "accuracy"}
    texts = {("late", "bits_per_byte"), ("sft", "bits_per_byte")}
    assert keys == texts | {("sft", name) for name in tasks}
    subjects = {m.subject for m in result.measures if m.name == "bits_per_byte"}
    assert subjects == {*TEXT_DOMAINS, "mean"}
    assert result.tokens == PROXY.training.lm_tokens + PROXY.training.sft_tokens


def test_training_lowers_the_bits_of_what_is_trained_on(tiny_store: TokenStore) -> None:
    still = _member(tiny_store, 1, peak=1e-9)
    untrained, trained = _train(tiny_store, still, _member(tiny_store, 1))
    bits = [
        next(m.value for m in result.measures if m.key == "late/bits_per_byte/drills")
        for result in (untrained, trained)
    ]
    assert bits[1] < bits[0] - 1.0


def test_members_with_other_legs_are_refused(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    shorter = replace(schedule, stages=schedule.stages[:2])
    other = Member(trial="short", seed=1, schedule=shorter)
    with pytest.raises(StudyError, match="same stage kinds"):
        _train(tiny_store, _member(tiny_store, 1), other)


def test_progress_counts_the_steps_of_all_members(tiny_store: TokenStore) -> None:
    done: list[int] = []
    members = (_member(tiny_store, 1), _member(tiny_store, 2))
    job = LaneJob(proxy=PROXY, store=tiny_store, members=members, examination=EXAMINATION)
    train_lane(job, done.append)
    assert sum(done) == 2 * (12 + 5)
