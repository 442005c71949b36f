"""Accounts of stages against arithmetic of their own, on measures that are made up."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from scipy import stats

from mixopt.report import accounts
from mixopt.report.data import ReportData
from mixopt.study.ledger import FigureRecord, TrialRecord

_EARLY, _LATE = (2.9, 3.1, 3.0, 3.05), (2.5, 2.52, 2.48, 2.51)
_AFTER = (2.9, 2.95, 2.85, 2.93)
_MARGIN = (0.1, 0.4, -0.2, 0.3)


@pytest.fixture
def record(data: ReportData) -> TrialRecord:
    values = {
        "sft/bits_per_byte/mean": _AFTER,
        "sft/bits_per_byte/web": _LATE,
        "sft/margin/mean": _MARGIN,
        "late/bits_per_byte/mean": _LATE,
        "late/bits_per_byte/web": _AFTER,
        "early/bits_per_byte/mean": _EARLY,
        "elsewhere/bits_per_byte/mean": _EARLY,
    }
    return replace(data.confirm[0], measures=values, measured={})


def test_rows_follow_the_stages_measure_by_measure(record: TrialRecord) -> None:
    rows = accounts.account_rows(record)
    places = [(row.measure, row.subject, row.stage) for row in rows]
    bits = [("bits_per_byte", "mean", stage) for stage in ("early", "late", "sft")]
    bits += [("bits_per_byte", "web", stage) for stage in ("late", "sft")]
    assert places == [*bits, ("margin", "mean", "sft")]
    assert rows[0].value == pytest.approx(statistics.mean(_EARLY))
    assert rows[0].standard_error == pytest.approx(statistics.stdev(_EARLY) / 2)
    assert accounts.measures_of(rows)[1] == ("bits_per_byte", "web")


def test_a_change_is_paired_by_seed(record: TrialRecord) -> None:
    first, second, third, *_ = accounts.account_rows(record)
    test = stats.ttest_rel(_LATE, _EARLY)
    low, high = test.confidence_interval(0.95)
    assert first.change is None
    assert second.change is not None
    assert second.change.since == "early"
    assert [second.change.low, second.change.high] == pytest.approx([low, high])
    assert second.change.verdict == "better"
    assert third.change is not None
    assert (third.change.since, third.change.verdict) == ("late", "worse")


@pytest.mark.parametrize(
    ("name", "shift", "verdict"),
    [
        ("margin", 1.0, "better"),
        ("margin", -1.0, "worse"),
        ("accuracy", 1.0, "better"),
        ("answer_bits_per_byte", 1.0, "worse"),
        ("answer_bits_per_byte", -1.0, "better"),
        ("margin", 0.0, "no different"),
    ],
)
def test_verdicts_go_by_the_direction_of_the_measure(
    record: TrialRecord, name: str, shift: float, verdict: str
) -> None:
    moved = tuple(value + shift + 0.01 * n * (-1) ** n for n, value in enumerate(_MARGIN))
    keys = (f"late/{name}/mean", f"sft/{name}/mean")
    changed = replace(record, measures=dict(zip(keys, (_MARGIN, moved), strict=True)))
    found = accounts.change_of(changed, *keys)
    assert found is not None
    assert found.verdict == verdict


def test_only_seeds_with_both_measures_are_paired(record: TrialRecord) -> None:
    earlier, later = "early/bits_per_byte/mean", "late/bits_per_byte/mean"
    seeds = record.seeds
    some = replace(
        record,
        measures={earlier: _EARLY, later: (2.0, 1.0, 1.5)},
        measured={earlier: seeds, later: (seeds[1], seeds[2], seeds[3])},
    )
    found = accounts.change_of(some, earlier, later)
    assert found is not None
    assert found.value == pytest.approx(1.5 - statistics.mean(_EARLY[1:]))
    assert found.num_seeds == 3
    one = replace(
        some,
        measured={earlier: seeds[:1], later: seeds[:1]},
        measures={earlier: (1.0,), later: (2.0,)},
    )
    assert accounts.change_of(one, earlier, later) is None


def test_a_stage_without_the_measure_is_skipped(record: TrialRecord) -> None:
    without = {k: v for k, v in record.measures.items() if k != "late/bits_per_byte/mean"}
    rows = accounts.account_rows(replace(record, measures=without))
    after = next(row for row in rows if (row.subject, row.stage) == ("mean", "sft"))
    assert after.change is not None
    assert after.change.since == "early"


def test_forgetting_is_from_the_end_of_pretraining(record: TrialRecord) -> None:
    mean, web = accounts.forgetting_rows(record)
    assert (mean.domain, mean.stage, mean.change.since) == ("mean", "sft", "late")
    assert mean.change.value == pytest.approx(statistics.mean(_AFTER) - statistics.mean(_LATE))
    assert (mean.change.verdict, web.change.verdict) == ("worse", "better")
    text = {key: values for key, values in record.measures.items() if not key.startswith("sft/")}
    assert accounts.forgetting_rows(replace(record, measures=text)) == []


def test_figures_are_means_over_seeds_in_the_order_of_stages(record: TrialRecord) -> None:
    noted = [("sft", "distinct", 3.0), ("early", "opened_at", 0.2), ("early", "opened_at", 0.6)]
    figures = [
        FigureRecord(trial=record.trial, seed=n, stage=stage, name=name, value=value)
        for n, (stage, name, value) in enumerate(noted)
    ]
    stray = replace(figures[0], trial="another", value=100.0)
    missing = replace(figures[0], seed=9, value=math.nan)
    gate, distinct = accounts.figure_rows([*figures, stray, missing], record)
    assert (gate.stage, gate.least, gate.most) == ("early", 0.2, 0.6)
    assert gate.value == pytest.approx(0.4)
    assert gate.standard_error == pytest.approx(0.2)
    assert (distinct.value, distinct.num_seeds) == (3.0, 1)
    assert math.isnan(distinct.standard_error)
