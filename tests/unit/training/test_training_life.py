"""The whole life of tiny proxies: every kind of stage, through a lane, alone and in company."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lanes import Results, alone, settings, train
from tiny import CONTEXT, LEVELS, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.backends.backend import Batch
from mixopt.schedule.curve import constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import Mixture
from mixopt.schedule.practice import Judged, Pivotal, Practice, Reinforcement, Rejection
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Online, Ordering, Schedule, Stage, StageKind
from mixopt.training.slots import Slots
from mixopt.training.states import StateSettings
from mixopt.training.tree import Member

pytestmark = pytest.mark.usefixtures("one_thread")

_ASKED: dict[str, Any] = {"levels": LEVELS, "problems": 4, "samples": 4}
PRACTICES: dict[str, Practice] = {
    "refine": Rejection(method="rejection", **_ASKED),
    "dpo-1": Pivotal(method="pivotal", low=0.0, high=1.0, continuations=2, pairs=2, **_ASKED),
    "dpo-2": Judged(method="judged", pairs=2, **_ASKED),
    "rl": Reinforcement(method="grpo", **_ASKED),
}
KINDS: dict[str, StageKind] = {"refine": "sft", "dpo-1": "dpo", "dpo-2": "dpo", "rl": "rl"}
LIFE = PROXY.model_copy(
    update={
        "training": PROXY.training.model_copy(
            update={"sft_tokens": 8 * 2 * CONTEXT, "dpo_steps": 4, "rl_steps": 2}
        )
    }
)


def life(store: TokenStore, late: dict[str, float] | None = None) -> Schedule:
    """Return a schedule of every kind of stage; `late` is the mixture of its second."""
    base = schedule_at(store, late=late)
    early, second, sft = base.stages
    tokens = base.target.tokens
    gate = Gate(measure="bits_per_byte/prose", below=5.0, earliest=0.2, latest=0.8, every=0.2)
    middle = replace(
        second,
        name="middle",
        tokens=tokens // 4,
        context_tokens=2 * base.target.context_tokens,
        packing="whole",
        ordering=Ordering(score="length", strength=0.8),
        rope_base=40_000.0,
    )
    lm = (
        replace(early, tokens=tokens // 4),
        replace(second, tokens=tokens // 4, gate=gate),
        middle,
        replace(early, name="steered", tokens=tokens // 4, online=Online(policy="ado", updates=3)),
    )
    return replace(base, stages=(*lm, sft, *(practised(name) for name in PRACTICES)))


def practised(name: str) -> Stage:
    return Stage(
        name=name,
        kind=KINDS[name],
        tokens=12_000,
        curve=constant(Mixture(domains=(), weights=())),
        context_tokens=CONTEXT,
        learning_rate=RateShape(),
        practice=PRACTICES[name],
    )


def members(store: TokenStore) -> list[Member]:
    """Return three members: two that part after their first stage, and another seed."""
    lates: tuple[dict[str, float], ...] = ({"prose": 1.0}, {"notes": 1.0})
    own = [life(store, late) for late in lates]
    named = [Member(trial=f"life-{n}", seed=1, schedule=each) for n, each in enumerate(own)]
    return [*named, Member(trial="life-0", seed=2, schedule=own[0])]


def test_a_life_in_company_is_that_alone(tiny_store: TokenStore) -> None:
    both = members(tiny_store)
    assert train(tiny_store, both, proxy=LIFE, width=3) == alone(tiny_store, both, LIFE)


def test_every_stage_is_measured_and_paid_for(tiny_store: TokenStore) -> None:
    found = _first(train(tiny_store, members(tiny_store)[:1], proxy=LIFE))
    stages = [stage.name for stage in life(tiny_store).stages]
    assert list(dict.fromkeys(each.stage for each in found.measures)) == stages
    answered = {each.stage for each in found.measures if each.name == "margin"}
    assert answered == set(stages[4:])
    assert len(found.path) == len(stages)
    assert sum(node.tokens for node in found.path) == found.tokens


def test_what_sessions_decide_is_reported(tiny_store: TokenStore) -> None:
    found = _first(train(tiny_store, members(tiny_store)[:1], proxy=LIFE))
    opened = [each.value for each in found.figures if each.name == "opened_at"]
    assert len(opened) == 1
    assert 0.2 <= opened[0] <= 0.8 + 1 / 12  # to the nearest of six steps
    assert [each.stage for each in found.chosen] == ["steered"] * 3
    assert [each.since for each in found.chosen] == sorted({each.since for each in found.chosen})
    assert {each.stage for each in found.figures} >= {"refine", "dpo-2", "rl"}


def test_later_stages_do_not_touch_what_came_before(tiny_store: TokenStore) -> None:
    whole = members(tiny_store)[0]
    short = replace(
        whole, trial="short", schedule=replace(whole.schedule, stages=whole.schedule.stages[:-1])
    )
    found = train(tiny_store, [whole, short], proxy=LIFE, width=2)
    kept = found["short", 1].measures
    assert found[whole.trial, 1].measures[: len(kept)] == kept


@pytest.mark.parametrize("steps", [5, 9, 13, 20, 24])
def test_a_killed_life_goes_on_to_the_same_end(
    tiny_store: TokenStore, tmp_path: Path, steps: int
) -> None:
    both = members(tiny_store)[:2]
    states = StateSettings(folder=tmp_path, interval_seconds=0.0, largest_share=1.0)
    with pytest.raises(_KilledError):
        train(tiny_store, both, proxy=LIFE, states=states, steps=_Counter(steps))
    resumed = train(tiny_store, both, proxy=LIFE, states=states)
    expected = train(tiny_store, both, proxy=LIFE)
    assert {name: _told(each) for name, each in resumed.items()} == {
        name: _told(each) for name, each in expected.items()
    }


STEPS = 26  # of a life


def _eager(store: TokenStore, peak: float = 1.0) -> Member:
    """Return a member whose gate opens at the first look, long before the plan has it."""
    whole = life(store)
    first, second, *rest = whole.stages
    gate = Gate(measure="bits_per_byte/prose", below=99.0, latest=0.8, every=0.2)
    second = replace(second, gate=gate, learning_rate=RateShape(peak=peak))
    return Member(trial="eager", seed=1, schedule=replace(whole, stages=(first, second, *rest)))


def test_progress_is_whole_where_a_member_is_lost_behind_an_early_gate(
    tiny_store: TokenStore,
) -> None:
    steps: list[int] = []
    (found,) = train(tiny_store, [_eager(tiny_store, 1e30)], proxy=LIFE, steps=steps).values()
    assert found.diverged_at is not None
    assert sum(node.tokens for node in found.path) < found.tokens
    assert (sum(steps), min(steps)) == (STEPS, 1)


def test_progress_is_whole_where_a_life_goes_on_behind_an_early_gate(
    tiny_store: TokenStore, tmp_path: Path
) -> None:
    states = settings(tmp_path)
    with pytest.raises(_KilledError):
        train(tiny_store, [_eager(tiny_store)], proxy=LIFE, states=states, steps=_Counter(4))
    steps: list[int] = []
    train(tiny_store, [_eager(tiny_store)], proxy=LIFE, states=states, steps=steps)
    assert steps[0] == 4
    assert sum(steps) == STEPS


def test_steps_of_a_session_that_runs_out_of_memory_count_once(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, calls, real = members(tiny_store)[:2], itertools.count(), Slots.train

    def short(slots: Slots, batch: Batch, live: Sequence[int]) -> list[float]:
        if next(calls) == 4:
            raise MemoryError
        return real(slots, batch, live)

    expected = train(tiny_store, both, proxy=LIFE, width=2)
    monkeypatch.setattr(Slots, "train", short)
    steps: list[int] = []
    assert train(tiny_store, both, proxy=LIFE, width=2, steps=steps) == expected
    assert sum(steps) == 2 * STEPS


class _KilledError(Exception):
    """Stands for the end of the process."""


class _Counter(list[int]):
    """Counts member-steps, and kills at a number of them."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.left = last

    def append(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise _KilledError


def _told(result: MemberResult) -> tuple[object, ...]:
    return result.measures, result.figures, result.chosen, result.diverged_at


def _first(results: Results) -> MemberResult:
    return next(iter(results.values()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_life_on_a_gpu_runs_whole_and_alike(tiny_store: TokenStore) -> None:
    both = members(tiny_store)[:2]
    first, second = (train(tiny_store, both, proxy=LIFE, width=2, device="cuda") for _ in range(2))
    assert {name: _told(each) for name, each in first.items()} == {
        name: _told(each) for name, each in second.items()
    }
    stages = [stage.name for stage in both[0].schedule.stages]
    for result in first.values():
        assert result.diverged_at is None
        assert list(dict.fromkeys(each.stage for each in result.measures)) == stages
