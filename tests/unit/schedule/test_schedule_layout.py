from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from schedule_fakes import curve, inventory, schedule, stage
from scipy.stats import spearmanr

from mixopt.errors import SupplyError
from mixopt.schedule.curve import constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.layout import Budget, Source, StageOutcome, most_drawn
from mixopt.schedule.mixture import Mixture
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.practice import Judged
from mixopt.schedule.schedule import Online, Ordering, Schedule, Stage

BUDGET = Budget(
    tokens={"lm": 160_000, "sft": 16_000},
    practice_steps={"dpo": 12},
    context_tokens=64,
    sequences=8,
)
HELD = inventory(chat={"chat": 40_000})
GATE = Gate(measure="bits_per_byte/web", below=3.0, earliest=0.2, latest=0.6, every=0.1)
FIRST = stage("first", curve("linear", {"web": 0.9, "math": 0.1}, {"web": 1.0}), tokens=500_000)
SECOND = stage("second", curve("constant", {"web": 0.3, "code": 0.7}), tokens=500_000)
CHAT = stage("sft", curve("constant", {"chat": 1.0}), tokens=30_000, kind="sft")
GATED = schedule(FIRST, replace(SECOND, gate=GATE), CHAT)


def available(source: Source) -> int:
    return HELD.domain(source.domain).sample_tokens // source.context


def scores(source: Source, name: str) -> NDArray[np.float64]:
    rng = np.random.default_rng(sum(map(ord, source.domain + name)))
    return rng.random(available(source))


def plan(made: Schedule, budget: Budget = BUDGET) -> Plan:
    return make_plan(made, 7, HELD, budget, available, scores)


def rows(found: Plan, number: int, upto: int | None = None) -> NDArray[np.int64]:
    """Return [rows, 2] source and sequence of the first steps of a stage."""
    draw = found.draw(number, np.arange(found.stages[number].steps if upto is None else upto))
    return np.stack([draw.sources.ravel(), draw.sequences.ravel()], axis=1)


def fired(found: Plan, steps: int) -> Plan:
    return found.resolve({0: StageOutcome(steps=steps)})


def test_a_longer_context_keeps_the_tokens_of_a_step() -> None:
    long = replace(SECOND, context_tokens=256, rope_base=250_000.0)
    found = plan(schedule(FIRST, long, CHAT))
    assert [(part.context, part.sequences) for part in found.stages] == [(64, 8), (256, 2), (64, 8)]
    assert [part.rope_scale for part in found.stages] == [1.0, 25.0, 25.0]
    assert {s.context for s in found.sources if s.domain == "web"} == {64, 256}
    assert found.draw(1, np.arange(3)).sequences.shape == (3, 2)
    assert max(rows(found, 1)[:, 1]) < 600_000 // 256


@pytest.mark.parametrize("context", [64 * 9, 1])
def test_a_context_that_does_not_fit_is_an_error_with_the_numbers(context: int) -> None:
    long = replace(SECOND, context_tokens=context)
    with pytest.raises(SupplyError, match=f"context of stage 'second'(.|\n)*{context:,} of the "):
        plan(schedule(FIRST, long, CHAT))


def test_whole_and_streamed_documents_are_sources_apart() -> None:
    found = plan(schedule(FIRST, replace(SECOND, packing="whole"), CHAT))
    packings = [source.packing for source in found.sources if source.domain == "web"]
    assert packings == ["stream", "whole"]
    drawn = [{found.sources[index].packing for index in rows(found, n)[:, 0]} for n in (0, 1)]
    assert drawn == [{"stream"}, {"whole"}]
    whole = found.sources.index(Source(domain="web", context=64, packing="whole"))
    assert found.stages[1].drawn[0][whole] == 0


def test_practice_takes_its_own_steps_and_draws_nothing() -> None:
    practice = Judged(method="judged", levels={"addition": 2})
    empty = constant(Mixture(domains=(), weights=()))
    prefer = replace(stage("dpo", empty, tokens=9, kind="dpo"), practice=practice)
    found = plan(schedule(FIRST, SECOND, CHAT, prefer))
    assert [part.steps for part in found.stages[2:]] == [31, 12]
    assert (np.diff(found.stages[3].drawn, axis=0) == 0).all()
    assert {source.domain for source in found.sources} == {"web", "math", "code", "chat"}


def test_a_gate_is_looked_at_until_its_latest_point() -> None:
    part, after, _ = plan(GATED).stages
    assert part.checks == (31, 62, 94, 125, 156, 187)
    assert (part.steps, after.steps) == (187, 312 - 187)
    assert after.checks == ()


@pytest.mark.parametrize("steps", [62, 94, 187])
def test_a_gate_moves_the_boundary_and_keeps_the_total(steps: int) -> None:
    found = fired(plan(GATED), steps)
    assert [part.steps for part in found.stages] == [steps, 312 - steps, 31]
    assert [part.span for part in found.stages] == [187, 312 - steps, 31]
    assert len(rows(found, 1)) == (312 - steps) * 8
    shares = np.bincount(rows(found, 1)[:, 0], minlength=4) / ((312 - steps) * 8)
    names = [source.domain for source in found.sources]
    assert shares[names.index("code")] == pytest.approx(0.7, abs=0.002)
    assert found.stages[1].bounds[-1] == (312 - steps) * 8


@pytest.mark.parametrize("steps", [62, 94, 156])
def test_rows_before_a_gate_are_those_of_a_plan_without_an_outcome(steps: int) -> None:
    before, after = plan(GATED), fired(plan(GATED), steps)
    np.testing.assert_array_equal(rows(before, 0, steps), rows(after, 0))
    np.testing.assert_array_equal(
        before.rates(0, np.arange(steps)), after.rates(0, np.arange(steps))
    )
    early = fired(plan(GATED), 62)
    np.testing.assert_array_equal(rows(early, 0), rows(after, 0, 62))


def test_nothing_is_drawn_twice_in_an_epoch_whenever_a_gate_opens() -> None:
    large = inventory({"web": 10**6, "code": 10**6, "math": 10**6}, {"chat": 10**6})
    made = make_plan(GATED, 7, large, BUDGET, lambda s: 10**6 // s.context, scores)
    for steps in (62, 125, 187):
        found = fired(made, steps)
        drawn = np.concatenate([rows(found, 0), rows(found, 1)])
        assert len(np.unique(drawn, axis=0)) == len(drawn)


def test_resolving_again_changes_nothing_that_is_decided() -> None:
    once = fired(plan(GATED), 94)
    twice = once.resolve({0: StageOutcome(steps=94)})
    assert [part.steps for part in twice.stages] == [94, 218, 31]
    np.testing.assert_array_equal(rows(twice, 1), rows(once, 1))
    assert fired(once, 187).stages[0].steps == 187


def test_gates_in_a_row_share_what_is_left() -> None:
    third = replace(stage("third", SECOND.curve, tokens=500_000), gate=GATE)
    found = plan(schedule(FIRST, replace(SECOND, gate=GATE), third))
    assert [part.steps for part in found.stages] == [125, 112, 75]
    early = fired(found, 62)
    assert [part.steps for part in early.stages] == [62, 150, 100]
    assert early.stages[1].checks[-1] == 150  # 0.6 of what is left to both
    last = early.resolve({0: StageOutcome(steps=62), 1: StageOutcome(steps=50)})
    assert [part.steps for part in last.stages] == [62, 50, 200]


def online(mixtures: tuple[tuple[float, ...], ...] = ()) -> Plan:
    moving = replace(SECOND, online=Online(policy="doremi", updates=5))
    return plan(schedule(FIRST, moving, CHAT)).resolve({1: StageOutcome(mixtures=mixtures)})


def test_an_online_mixture_changes_later_blocks_alone() -> None:
    prior, chosen = online(), online(((0.3, 0.7), (0.9, 0.1), (0.0, 1.0)))
    bounds = prior.stages[1].bounds
    assert len(bounds) == 6
    np.testing.assert_array_equal(rows(chosen, 1)[: bounds[1]], rows(prior, 1)[: bounds[1]])
    code = chosen.sources.index(Source(domain="code", context=64, packing="stream"))
    blocks = np.split(rows(chosen, 1)[:, 0] == code, bounds[1:-1])
    shares = [block.mean() for block in blocks]
    np.testing.assert_allclose(shares, [0.7, 0.1, 1.0, 0.7, 0.7], atol=0.01)


def test_a_further_online_mixture_leaves_the_rows_before_it() -> None:
    two = online(((0.5, 0.5), (0.9, 0.1)))
    three = online(((0.5, 0.5), (0.9, 0.1), (0.1, 0.9)))
    upto = two.stages[1].bounds[2]
    np.testing.assert_array_equal(rows(two, 1)[:upto], rows(three, 1)[:upto])
    assert (rows(two, 1)[upto:] != rows(three, 1)[upto:]).any()


def ordered(strength: float) -> Plan:
    ordering = Ordering(score="length", strength=strength)
    return plan(schedule(FIRST, replace(SECOND, ordering=ordering), CHAT))


def by_source(found: Plan, number: int) -> Mapping[int, NDArray[np.int64]]:
    drawn = rows(found, number)
    return {index: drawn[drawn[:, 0] == index, 1] for index in np.unique(drawn[:, 0]).tolist()}


@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.4, 1.0])
def test_order_changes_when_a_sequence_comes_and_not_which(strength: float) -> None:
    shuffled, sorted_ = ordered(0.0), ordered(strength)
    for index, sequences in by_source(shuffled, 1).items():
        again = by_source(sorted_, 1)[index]
        size, first = shuffled.pools[index].num_sequences, int(shuffled.stages[1].drawn[0, index])
        np.testing.assert_array_equal(np.sort(again), np.sort(sequences))
        assert (again != sequences).any()
        ranks = np.arange(first, first + len(sequences))
        plain = shuffled._sequences(np.full_like(ranks, index), ranks)
        ours = sorted_._sequences(np.full_like(ranks, index), sorted_._order(1, index))
        for epoch in np.unique(ranks // size):  # epochs stay apart
            inside = ranks // size == epoch
            np.testing.assert_array_equal(np.sort(plain[inside]), np.sort(ours[inside]))
    np.testing.assert_array_equal(rows(shuffled, 2), rows(sorted_, 2))


def test_the_stricter_the_order_the_higher_the_rank_correlation() -> None:
    def correlation(strength: float) -> float:
        found = ordered(strength)
        index = found.sources.index(Source(domain="code", context=64, packing="stream"))
        epoch = by_source(found, 1)[index][: found.pools[index].num_sequences - 60]
        values = scores(found.sources[index], "length")[epoch]
        return float(spearmanr(np.arange(len(values)), values).statistic)

    found = [correlation(strength) for strength in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert found == sorted(found)
    assert found[0] < -0.9
    assert found[-1] > 0.9
    assert abs(found[2]) < 0.15


def test_ordered_rows_are_a_pure_function_of_the_counter() -> None:
    draw = partial(ordered(0.7).draw, 1)
    whole = draw(np.arange(156)).sequences
    for step in (155, 3, 70):
        np.testing.assert_array_equal(
            ordered(0.7).draw(1, np.array([step])).sequences[0], whole[step]
        )


def test_a_stage_alone_has_the_steps_of_its_share() -> None:
    third: Stage = stage("third", SECOND.curve, tokens=250_000)
    found = plan(schedule(FIRST, third))
    assert [part.steps for part in found.stages] == [208, 104]
    assert [part.planned for part in found.stages] == [208, 104]


@pytest.mark.parametrize("chained", [False, True])
def test_the_most_that_stages_draw_holds_wherever_gates_open(chained: bool) -> None:  # noqa: FBT001
    third = stage("third", curve("constant", {"math": 1.0}), tokens=500_000)
    last = replace(third, gate=replace(GATE, latest=0.9)) if chained else third
    found = plan(schedule(FIRST, replace(SECOND, gate=GATE), last, CHAT))
    reached = []
    for first in found.stages[0].checks[1:]:  # the one before is too early
        once = fired(found, first)
        points = once.stages[1].checks[1:] if chained else (None,)
        for second in points:
            outcomes = {0: StageOutcome(steps=first), 1: StageOutcome(steps=second)}
            reached.append(found.resolve(outcomes).stages[-1].drawn[-1])
    most = most_drawn(found.stages, found.sources)
    assert (most >= np.max(reached, axis=0)).all()
    assert most.sum() > found.stages[-1].drawn[-1].sum()
    np.testing.assert_allclose(most, np.max(reached, axis=0), atol=3 * 8)  # a check, of 8 rows


def test_without_gates_stages_draw_what_the_plan_has() -> None:
    found = plan(schedule(FIRST, SECOND, CHAT))
    later = found.stages[-1].drawn[-1] - found.stages[0].drawn[-1]
    np.testing.assert_array_equal(most_drawn(found.stages[1:], found.sources), later)
    assert not most_drawn((), found.sources).any()
