from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from pupils import STEPS, attend, is_same, plan_with
from tiny import EXAMINATION

from mixopt.corpus.store import TokenStore
from mixopt.errors import NotFoundError
from mixopt.proxy.backends.backend import Backend
from mixopt.schedule.gate import Gate
from mixopt.schedule.layout import StageOutcome, lay_out
from mixopt.schedule.plan import Plan
from mixopt.schedule.rate import RateShape
from mixopt.training.sessions import gated
from mixopt.training.sessions.gated import GatedSession, find_reader

pytestmark = pytest.mark.usefixtures("one_thread")

PROSE = {"prose": 0.9, "notes": 0.05, "drills": 0.05}
NOTES = {"prose": 0.05, "notes": 0.9, "drills": 0.05}
GATE = Gate(measure="bits_per_byte/prose", below=6.0, every=0.1, latest=0.9)


def _plan(store: TokenStore, weights: dict[str, float], seed: int = 0, gate: Gate = GATE) -> Plan:
    return plan_with(store, seed, weights=weights, gate=gate)


def _session(store: TokenStore) -> GatedSession:
    return GatedSession(EXAMINATION, store)


def _reads(monkeypatch: pytest.MonkeyPatch, values: Sequence[float]) -> None:
    """Let every gate read these values one after another."""
    endless = cycle(values)

    def read(backend: Backend) -> list[float]:
        return [next(endless)] * backend.stack.num_members

    monkeypatch.setattr(gated, "find_reader", lambda *_: read)


def test_two_mixtures_open_at_points_of_their_own(tiny_store: TokenStore) -> None:
    plans = [_plan(tiny_store, PROSE), _plan(tiny_store, NOTES)]
    (fast, _), (slow, _) = attend(_session(tiny_store), tiny_store, plans)
    assert fast.steps < slow.steps
    assert fast.outcome == StageOutcome(steps=fast.steps)
    assert fast.steps in plans[0].stages[0].checks
    assert fast.figures["opened_by"] == 1
    assert fast.figures["last_value"] <= 6.0
    assert fast.figures["opened_at"] == fast.steps / STEPS


def test_a_pupil_ends_in_company_as_alone(tiny_store: TokenStore) -> None:
    plans = [_plan(tiny_store, PROSE, 1), _plan(tiny_store, NOTES, 2), _plan(tiny_store, PROSE, 3)]
    together = attend(_session(tiny_store), tiny_store, plans)
    assert len({ending.steps for ending, _ in together}) > 1
    for plan, (ending, state) in zip(plans, together, strict=True):
        ((alone, expected),) = attend(_session(tiny_store), tiny_store, [plan])
        assert ending == alone
        assert is_same(state, expected)


@pytest.mark.parametrize(
    ("settings", "values", "fired", "passed"),
    [
        ({}, [9, 5, 5], 5, 1),  # checks are after 2, 5, 7, 10, ... of 24 steps
        ({"checks": 2}, [5, 9, 5, 5], 10, 1),
        ({"checks": 2, "margin": 0.5}, [5, 6.4, 9], 5, 1),
        ({"earliest": 0.4}, [5], 10, 1),
        ({"earliest": 0.3}, [5], 7, 1),  # 7.2 steps, but for whole steps
        ({"latest": 0.5}, [9], 12, 0),
        ({"latest": 0.5}, [float("nan")], 12, 0),
        ({"earliest": 0.5, "latest": 0.5}, [5], 12, 1),
    ],
)
def test_opens_where_it_should(
    tiny_store: TokenStore,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    values: list[float],
    fired: int,
    passed: int,
) -> None:
    _reads(monkeypatch, values)
    gate = replace(GATE, **settings)
    ((ending, _),) = attend(_session(tiny_store), tiny_store, [_plan(tiny_store, PROSE, gate=gate)])
    assert (ending.steps, ending.figures["opened_by"]) == (fired, passed)


def test_a_pupil_that_is_lost_opens_no_gate(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store, PROSE)
    first, *rest = plan.stages
    wild = replace(first, stage=replace(first.stage, learning_rate=RateShape(peak=1e30)))
    ((ending, _),) = attend(_session(tiny_store), tiny_store, [replace(plan, stages=(wild, *rest))])
    assert ending.diverged
    assert "opened_at" not in ending.figures


def test_a_gate_further_on_moves_none_of_the_shares(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store, PROSE)
    first, second, *_ = plan.stages
    third = replace(second, stage=replace(second.stage, name="third"))
    chain = replace(plan, stages=lay_out([first, second, third], plan.sources, {}))
    ((ending, _),) = attend(_session(tiny_store), tiny_store, [chain])
    ((expected, _),) = attend(_session(tiny_store), tiny_store, [plan])
    assert ending == expected


def test_rows_before_the_point_stay_those_that_were_trained_on(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store, PROSE)
    ((ending, _),) = attend(_session(tiny_store), tiny_store, [plan])
    assert ending.outcome is not None
    resolved, steps = plan.resolve({0: ending.outcome}), np.arange(ending.steps)
    assert resolved.stages[0].steps == ending.steps < plan.stages[0].steps
    for name in ("sources", "sequences"):
        before, after = (getattr(each.draw(0, steps), name) for each in (plan, resolved))
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "measure",
    [
        "bits_per_byte/mean",
        "long_bits_per_byte/notes",
        "margin/mean",
        "accuracy/addition",
        "answer_probability/addition@1",
        "pass_at_1/comparison",
    ],
)
def test_a_gate_reads_what_it_names(tiny_store: TokenStore, measure: str) -> None:
    values: list[float] = []
    reader = find_reader(measure, 32, EXAMINATION.levels, tiny_store)

    def read(backend: Backend) -> list[float]:
        values.extend(reader(backend))
        return values[-backend.stack.num_members :]

    gate = Gate(measure=measure, below=-1e9, every=0.1, latest=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gated, "find_reader", lambda *_: read)
        attend(_session(tiny_store), tiny_store, [_plan(tiny_store, PROSE, gate=gate)])
    assert len(values) == 2
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("measure", "named"),
    [
        ("loss/prose", "loss/prose"),
        ("margin", "'margin'"),
        ("bits_per_byte/verse", "'verse'"),
        ("accuracy/sorting", "accuracy/sorting"),
        ("margin/chess@2", "'chess'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    tiny_store: TokenStore, measure: str, named: str
) -> None:
    with pytest.raises(NotFoundError, match=named):
        find_reader(measure, 32, EXAMINATION.levels, tiny_store)
