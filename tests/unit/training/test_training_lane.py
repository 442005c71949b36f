from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from lanes import ABSURD, LATES, MUON, Results, alone, family, measures, member, train
from tiny import CONTEXT, PROXY, TEXT_DOMAINS, schedule_at
from torch import Tensor

from mixopt.corpus.store import TokenStore
from mixopt.errors import DeviceError, SupplyError
from mixopt.evaluation.measure import Measure
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import Stack
from mixopt.training import slots
from mixopt.training.lane import arithmetic
from mixopt.training.tree import Member

pytestmark = pytest.mark.usefixtures("one_thread")

each_optimizer = pytest.mark.parametrize("proxy", [PROXY, MUON], ids=["adamw", "muon"])


@each_optimizer
@pytest.mark.parametrize("width", [1, 3, 8])
def test_shared_beginnings_give_what_each_member_gives_alone(
    tiny_store: TokenStore, proxy: ProxyRecipe, width: int
) -> None:
    members = [*family(tiny_store), member(tiny_store, 2), *family(tiny_store, 1, 0.4)]
    together = train(tiny_store, members, proxy=proxy, width=width)
    assert len({result.measures for result in together.values()}) == len(members)
    assert together == alone(tiny_store, members, proxy)


@each_optimizer
def test_refilled_slots_give_what_each_member_gives_alone(
    tiny_store: TokenStore, proxy: ProxyRecipe
) -> None:
    """Boundaries differ, one member diverges: the slots are at different steps all the time."""
    shares = (0.3, 0.6, 0.5, 0.7, 0.4)
    members = [member(tiny_store, seed, share) for seed, share in enumerate(shares)]
    wild = member(tiny_store, 9, peak=ABSURD)
    found = train(tiny_store, [members[0], wild, *members[1:]], proxy=proxy, width=2)
    assert found.pop((wild.trial, 9)).diverged_at is not None
    assert found == alone(tiny_store, members, proxy)


def test_members_of_unequal_lives_share_a_lane(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    short = Member(trial="short", seed=1, schedule=replace(schedule, stages=schedule.stages[:2]))
    both = [member(tiny_store, 1), short, *family(tiny_store, 4)]
    found = train(tiny_store, both, width=2)
    assert found == alone(tiny_store, both)
    assert {each.stage for each in found["short", 1].measures} == {"early", "late"}


def test_measures_of_a_shared_stage_are_those_of_all_below_it(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    slower = replace(
        schedule.stages[2], learning_rate=replace(schedule.stages[2].learning_rate, peak=0.1)
    )
    other = replace(schedule, stages=(*schedule.stages[:2], slower))
    pair = [Member(trial=name, seed=1, schedule=s) for name, s in (("a", schedule), ("b", other))]
    steps: list[int] = []
    found = train(tiny_store, pair, steps=steps)
    texts = [[m for m in found[name, 1].measures if m.stage == "late"] for name in "ab"]
    assert texts[0] == texts[1] != []
    assert found["a", 1].measures != found["b", 1].measures
    assert len(steps) == 12 + 2 * 5
    assert found == alone(tiny_store, pair)


def test_a_shared_stage_is_counted_for_each_and_named_alike(tiny_store: TokenStore) -> None:
    found = list(train(tiny_store, family(tiny_store)).values())
    step = PROXY.training.step_tokens
    assert len({result.prefix for result in found}) == 1
    assert [[node.tokens for node in each.path] for each in found] == [
        [6 * step, 6 * step, 5 * step]
    ] * 3
    assert len({node.key for each in found for node in each.path}) == 1 + 3 + 3
    assert {each.tokens for each in found} == {17 * step}


def test_equal_trials_are_trained_once_and_both_reported(tiny_store: TokenStore) -> None:
    first = member(tiny_store, 1)
    steps: list[int] = []
    found = train(tiny_store, [first, replace(first, trial="twin")], steps=steps)
    assert found["twin", 1] == replace(found[first.trial, 1], trial="twin")
    assert steps == [2] * 17


def test_progress_counts_what_would_be_trained_without_sharing(tiny_store: TokenStore) -> None:
    steps: list[int] = []
    wild = [replace(each, trial=f"wild-{n}") for n, each in enumerate(_wild(tiny_store))]
    train(tiny_store, [*family(tiny_store), *wild], steps=steps)
    assert sum(steps) == 5 * 17


@each_optimizer
def test_a_diverging_neighbour_is_never_noticed(tiny_store: TokenStore, proxy: ProxyRecipe) -> None:
    calm = [member(tiny_store, 1), member(tiny_store, 5)]
    wild = member(tiny_store, 2, peak=ABSURD)
    found = train(tiny_store, [calm[0], wild, calm[1]], proxy=proxy)
    broken = found.pop((wild.trial, 2))
    assert broken.diverged_at is not None
    assert 0 < broken.diverged_at < 12
    assert broken.measures == ()
    assert found == alone(tiny_store, calm, proxy)


def test_all_below_a_diverged_stage_are_reported_at_its_step(tiny_store: TokenStore) -> None:
    wild = _wild(tiny_store)
    found = train(tiny_store, wild)
    assert len({result.diverged_at for result in found.values()}) == 1
    assert all(len(result.path) == 1 for result in found.values())


def test_a_stopped_member_keeps_its_measures_and_ends(tiny_store: TokenStore) -> None:
    members = family(tiny_store)
    asked: list[tuple[str, int]] = []

    def stop(trial: str, _seed: int, taken: Sequence[Measure]) -> bool:
        stages = {measure.stage for measure in taken}
        asked.append((trial, len(stages)))
        return trial == members[1].trial and "late" in stages

    found = train(tiny_store, members, stop=stop)
    ended = found.pop((members[1].trial, 1))
    assert ended.stopped_after == "late"
    assert {measure.stage for measure in ended.measures} == {"early", "late"}
    assert found == alone(tiny_store, [members[0], members[2]])
    assert {count for trial, count in asked if trial == members[0].trial} == {1, 2}


def test_same_lane_twice_gives_the_same_numbers(tiny_store: TokenStore) -> None:
    members = [member(tiny_store, 1), member(tiny_store, 2, 0.4)]
    assert train(tiny_store, members) == train(tiny_store, members)


def test_text_is_measured_after_every_stage_and_tasks_after_tuning(tiny_store: TokenStore) -> None:
    (result,) = train(tiny_store, [member(tiny_store, 1)]).values()
    keys = {(measure.stage, measure.name) for measure in result.measures}
    tasks = {"margin", "answer_bits_per_byte", "answer_probability", "accuracy"}
    expected = {(stage, "bits_per_byte") for stage in ("early", "late", "sft")}
    assert keys == expected | {("sft", name) for name in {*tasks, "preference_accuracy"}}
    subjects = {m.subject for m in result.measures if m.name == "bits_per_byte"}
    assert subjects == {*TEXT_DOMAINS, "mean"}
    assert result.tokens == PROXY.training.lm_tokens + PROXY.training.sft_tokens


def test_training_lowers_the_bits_of_what_is_trained_on(tiny_store: TokenStore) -> None:
    still, learning = member(tiny_store, 1, peak=1e-9), member(tiny_store, 1)
    found = measures(train(tiny_store, [still, learning]))
    bits = [
        next(m.value for m in found[each.trial, 1] if m.key == "late/bits_per_byte/drills")
        for each in (still, learning)
    ]
    assert bits[1] < bits[0] - 1.0


def test_a_schedule_that_cannot_be_run_is_an_error(tiny_store: TokenStore) -> None:
    short = PROXY.training.model_copy(update={"lm_tokens": 2 * CONTEXT})
    with pytest.raises(SupplyError, match="no step for stage"):
        train(tiny_store, family(tiny_store), proxy=PROXY.model_copy(update={"training": short}))


def test_the_arithmetic_is_named(tiny_store: TokenStore) -> None:
    assert "cpu" in arithmetic(PROXY, tiny_store, "cpu") or "float32" in arithmetic(
        PROXY, tiny_store, "cpu"
    )


@pytest.mark.parametrize("work", ["train", "token_losses"])
def test_a_lane_without_memory_gets_smaller_and_loses_nothing(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    raised: list[int] = []

    class Scarce(ReferenceBackend):
        """Has memory for two members, and for more only in the first steps."""

        def __init__(self, stack: Stack, _micro: int | None = None) -> None:
            super().__init__(stack)
            self.calls = 0

        def _check(self, name: str) -> None:
            self.calls += 1
            if name == work and self.calls > 2 and self.stack.num_members > 2:
                raised.append(self.stack.num_members)
                raise torch.OutOfMemoryError

        def train(self, batch: Batch, live: Sequence[int]) -> Tensor:
            losses = super().train(batch, live)
            self._check("train")  # gradients are there already
            return losses

        def token_losses(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
            self._check("token_losses")
            return super().token_losses(tokens, segments)

    members = [*family(tiny_store), *family(tiny_store, 2)]
    expected = _reference(tiny_store, members, monkeypatch, ReferenceBackend)
    assert _reference(tiny_store, members, monkeypatch, Scarce) == expected
    assert (raised[0], raised[-1]) == (6, 3)


def test_a_proxy_that_never_fits_is_an_error(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(ReferenceBackend, "train", full)
    with pytest.raises(DeviceError, match="does not fit on cpu"):
        _reference(tiny_store, family(tiny_store), monkeypatch, ReferenceBackend)


def test_other_errors_of_a_backend_are_not_taken_for_a_lack_of_memory(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Tensor:
        message = "broken"
        raise RuntimeError(message)

    monkeypatch.setattr(ReferenceBackend, "train", broken)
    with pytest.raises(RuntimeError, match="broken"):
        _reference(tiny_store, family(tiny_store), monkeypatch, ReferenceBackend)


def _reference(
    store: TokenStore,
    members: list[Member],
    monkeypatch: pytest.MonkeyPatch,
    backend: type[ReferenceBackend],
) -> Results:
    monkeypatch.setattr(slots, "make_backend", lambda stack, _micro: backend(stack))
    return train(store, members, width=6)


def _wild(store: TokenStore) -> list[Member]:
    return [member(store, 7, peak=ABSURD, late=late) for late in LATES[:2]]
