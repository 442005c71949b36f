from dataclasses import replace

import pytest
from export_fakes import BATCH, SUPPLY, plan, schedule, stage

from mixopt.errors import ExportError
from mixopt.export.extents import lay_extents
from mixopt.schedule.gate import Gate
from mixopt.schedule.rate import RateShape

GATE = Gate(measure="accuracy/recall", above=0.9, earliest=0.2, latest=0.8)
FIRST = stage("one", {"a": 1.0}, {"b": 1.0}, rate=RateShape(decay=0.5))
SECOND = replace(stage("two", {"c": 1.0}), gate=GATE)


def test_without_a_measurement_a_gate_stands_where_the_tokens_put_it() -> None:
    first, second = lay_extents(schedule(FIRST, SECOND), {})
    assert (first.tokens, first.span_tokens, second.tokens) == (SUPPLY, SUPPLY, SUPPLY)
    assert second.gate is not None
    assert (second.gate.share, second.gate.measured) == (0.5, False)
    assert second.gate.condition == str(GATE)


def test_a_measured_gate_moves_the_boundary_and_keeps_the_tokens() -> None:
    first, second = lay_extents(schedule(FIRST, SECOND), {"two": 0.3})
    assert (first.tokens, second.tokens) == (0.6 * SUPPLY, 1.4 * SUPPLY)
    assert (first.span_tokens, second.span_tokens) == (1.6 * SUPPLY, 1.4 * SUPPLY)


def test_two_gates_in_a_row_share_what_the_first_leaves() -> None:
    third = replace(stage("three", {"a": 1.0}), gate=GATE)
    found = lay_extents(schedule(FIRST, SECOND, third), {"two": 0.4, "three": 0.5})
    assert [extent.tokens for extent in found] == [0.8 * SUPPLY, 1.1 * SUPPLY, 1.1 * SUPPLY]


@pytest.mark.parametrize("fired", [{"one": 0.5}, {"two": 1.0}, {"two": -0.1}, {"x": 0.5}])
def test_what_is_no_opening_of_a_gate_is_refused(fired: dict[str, float]) -> None:
    with pytest.raises(ExportError, match="no gate of a stage"):
        lay_extents(schedule(FIRST, SECOND), fired)


def test_the_curve_of_a_stage_that_ends_early_is_cut_off_not_squeezed() -> None:
    made = plan(FIRST, SECOND, fired={"two": 0.4}).stages[0]
    # 80 of 160 steps: half of the way from a to b; on average a quarter
    assert made.steps == 0.8 * SUPPLY / BATCH
    shares = {part.domain: part.weight for part in made.parts}
    assert shares == pytest.approx({"a": 0.75, "b": 0.25})
    assert made.pieces[-1].parts[0].weight == pytest.approx(0.5 + 0.125)


def test_so_is_its_learning_rate() -> None:
    before = plan(FIRST, SECOND, fired={"two": 0.4}).stages[0].rate
    assert (before.decay_steps, before.end) == (0, before.peak)
    inside = plan(FIRST, SECOND, fired={"two": 0.6}).stages[0].rate
    assert inside.decay_steps == 40
    assert inside.end == pytest.approx(inside.peak / 2)


def test_a_curved_decay_that_is_cut_off_is_told() -> None:
    curved = replace(FIRST, learning_rate=RateShape(decay=0.5, shape="cosine"))
    made = plan(curved, SECOND, fired={"two": 0.7})
    assert made.stages[0].rate.end == pytest.approx(1e-3 * (1 + 2**-0.5 * -1) / 2)
    assert "cuts its cosine decay off" in " ".join(made.approximations)


def test_a_warmup_that_is_cut_off_reaches_less() -> None:
    warm = replace(FIRST, learning_rate=RateShape(warmup=0.5))
    rate = plan(warm, SECOND, fired={"two": 0.2}).stages[0].rate
    assert rate.peak == pytest.approx(0.5e-3)
    assert rate.warmup_steps == 39
