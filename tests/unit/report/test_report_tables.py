"""Tables against arithmetic of their own, from the ledger's raw numbers."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
import report_fakes
from report_fakes import CONTRAST, OBJECTIVE

from mixopt.report import tables
from mixopt.report.data import ReportData


def test_trials_hold_means_and_pooled_errors(data: ReportData) -> None:
    rows = tables.trial_rows(data)
    pairs = [record.measures[OBJECTIVE] for record in data.search]
    pooled = statistics.mean((first - second) ** 2 / 2 for first, second in pairs)
    assert [row.number for row in rows] == list(range(report_fakes.SEARCH_TRIALS))
    assert rows[5].objective == pytest.approx(sum(pairs[5]) / 2)
    assert rows[5].objective_error == pytest.approx(math.sqrt(pooled / 2))
    assert rows[5].contrast == pytest.approx(statistics.mean(data.search[5].measures[CONTRAST]))
    assert [row.label for row in rows[:3]] == ["natural", "uniform", "unimax"]


def test_a_seed_without_the_objective_counts_as_failed(data: ReportData) -> None:
    values = dict(data.search[3].measures)
    half = replace(data.search[3], measures=values | {OBJECTIVE: values[OBJECTIVE][:1]})
    none = replace(data.search[4], measures={})
    found = tables.trial_rows(data, [half, none])
    assert [row.failed_seeds for row in found] == [1, 2]
    assert found[0].objective == values[OBJECTIVE][0]
    assert found[1].objective is None


def test_outcomes_hold_means_over_fresh_seeds(data: ReportData) -> None:
    rows = tables.outcome_rows(data)
    labels = tables.outcome_labels(data)
    assert rows[0].measure == OBJECTIVE
    assert len(rows) == len(data.confirm[0].measures)
    values = data.confirm[2].measures[OBJECTIVE]
    cell = rows[0].cells[labels.index(data.confirm[2].label)]
    assert cell is not None
    assert cell.value == pytest.approx(statistics.mean(values))
    assert cell.standard_error == pytest.approx(statistics.stdev(values) / 2)
    assert cell.num_seeds == 4


def test_a_measure_that_a_schedule_lacks_is_an_empty_cell(data: ReportData) -> None:
    bare = replace(data.confirm[1], measures={OBJECTIVE: (0.5, 0.7)})
    some = replace(data, confirm=(data.confirm[0], bare))
    cells = {row.measure: row.cells for row in tables.outcome_rows(some)}
    assert cells[CONTRAST][1] is None
    assert cells[CONTRAST][0] is not None
    assert tables.outcome(some, "nobody", OBJECTIVE) is None


def test_comparisons_are_verdicts_in_the_measures_own_direction(data: ReportData) -> None:
    rows = {(row.measure, row.right): row for row in tables.comparison_rows(data.recommendation)}
    found = rows[OBJECTIVE, "natural"]
    left, right = (data.confirm[n].measures[OBJECTIVE] for n in (0, 2))
    assert found.gain == pytest.approx(statistics.mean(left) - statistics.mean(right))
    assert found.verdict == "better"
    contrast = rows[CONTRAST, "natural"]
    left, right = (data.confirm[n].measures[CONTRAST] for n in (0, 2))
    assert contrast.gain == pytest.approx(statistics.mean(right) - statistics.mean(left))
    assert contrast.verdict == "worse"


def test_signal_to_noise_finds_the_planted_noise(data: ReportData) -> None:
    rows = {row.measure: row for row in tables.signal_rows(data.search)}
    planted = [report_fakes.expected(data.schedule(record), OBJECTIVE) for record in data.search]
    assert rows[OBJECTIVE].seed == pytest.approx(0.01, rel=0.4)
    assert rows[OBJECTIVE].between == pytest.approx(statistics.stdev(planted), rel=0.1)
    assert rows[OBJECTIVE].of_mean == pytest.approx(rows[OBJECTIVE].per_seed * math.sqrt(2))
    assert len(rows) == len(data.search[0].measures)


def test_one_seed_gives_no_signal_to_noise(data: ReportData) -> None:
    single = [
        replace(record, measures={key: values[:1] for key, values in record.measures.items()})
        for record in data.search
    ]
    assert tables.signal_rows(single) == []


def test_epochs_are_tokens_over_supply(data: ReportData) -> None:
    rows = {(row.label, row.domain): row for row in tables.epoch_rows(data)}
    found = rows["uniform", "math"]
    assert found.epochs == pytest.approx(0.2 * 1e9 / 90e6, rel=1e-3)
    assert found.cap == 5.0
    assert rows["natural", "chat"].epochs == pytest.approx(30 / 20)
    assert rows["natural", "chat"].cap == 4.0
    lm = [row.tokens for row in rows.values() if row.label == "unimax" and row.domain != "chat"]
    assert sum(lm) == pytest.approx(1e9)


def test_costs_add_up(data: ReportData) -> None:
    search, confirm, both = tables.cost_rows([*data.search, *data.confirm])
    assert (search.phase, search.trials, search.runs) == ("search", 16, 32)
    assert (confirm.phase, confirm.trials, confirm.runs) == ("confirm", 5, 20)
    assert both.tokens == 52 * report_fakes.TOKENS_PER_RUN
    assert both.cpu_seconds == pytest.approx(52 * report_fakes.SECONDS_PER_RUN)


def test_weights_go_from_heavy_to_light_in_each_stage(data: ReportData) -> None:
    rows = tables.weight_rows(data.schedule(data.confirm[0]))
    late = [row for row in rows if row.stage == "late"]
    assert [row.mean for row in late] == sorted((row.mean for row in late), reverse=True)
    assert late[0].domain == "math"
    assert sum(row.mean for row in late) == pytest.approx(1)
    assert (rows[-1].domain, rows[-1].mean, rows[-1].stage_tokens) == ("chat", 1.0, 30_000_000)


def test_laws_without_a_recommendation_are_those_fitted_here(data: ReportData) -> None:
    rows = tables.law_rows(replace(data, recommendation=None))
    assert data.law is not None
    assert [row.law for row in rows if row.chosen] == [data.law.law]
    assert len(rows) == len(data.law.scores)


@pytest.mark.parametrize(("measure", "best"), [(OBJECTIVE, {7, 8, 9}), (CONTRAST, {0, 1, 2})])
def test_the_best_quarter_follows_the_direction(measure: str, best: set[int]) -> None:
    chosen = tables.best_quarter(np.arange(10.0), measure)
    assert set(np.flatnonzero(chosen).tolist()) == best
