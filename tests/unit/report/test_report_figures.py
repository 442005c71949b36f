"""Charts hold the numbers they claim to, told apart by more than colour."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from report_fakes import CONTRAST, OBJECTIVE
from scipy.stats import spearmanr

from mixopt.report import tables
from mixopt.report.charts import gains, stream, style, trials
from mixopt.report.charts.law import law_chart
from mixopt.report.data import ReportData
from mixopt.report.figures import pictures
from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Schedule, Stage

_STAGES = ("early", "late", "sft")


def test_a_concluded_study_has_all_charts_with_captions(data: ReportData) -> None:
    found = pictures(data)
    names = [each.name for each in found]
    assert names == ["schedule", "gains", "subjects", "progress", "contrast", "law", "doses"]
    assert all(each.caption.endswith(".") for each in found)


def test_a_study_that_has_just_begun_has_the_charts_of_its_trials(begun: ReportData) -> None:
    assert [each.name for each in pictures(begun)] == ["progress", "contrast", "doses"]


def test_the_stream_stacks_to_one_and_steps_at_the_boundary(data: ReportData) -> None:
    schedule = data.schedule(data.confirm[0])
    figure = stream.stream_chart([("recommended", schedule)], data.inventory.names())
    traces = [trace for trace in figure.data if trace.stackgroup == "1-1"]
    heights = np.sum([trace.y for trace in traces], axis=0)
    np.testing.assert_allclose(heights, 1, atol=1e-6)
    assert traces[0].x[-1] == schedule.tokens_of("lm")
    math = next(trace for trace in traces if trace.name == "math")
    expected = [schedule.stage(name).curve.mean().share("math") for name in ("early", "late")]
    np.testing.assert_allclose(math.y, np.repeat(expected, 2))
    assert all(left < right for left, right in pairwise(math.x))


def test_a_moving_mixture_is_drawn_as_it_moves(data: ReportData) -> None:
    ends = (mixture_of({"web": 1.0}), mixture_of({"code": 1.0}))
    curve = MixtureCurve(
        shape="linear", knots=tuple(Knot(at=at, mixture=m) for at, m in enumerate(ends))
    )
    stage = Stage(
        name="a", kind="lm", tokens=100, curve=curve, context_tokens=8, learning_rate=RateShape()
    )
    target = data.schedule(data.confirm[0]).target
    schedule = Schedule(name="s", target=target, stages=(stage,), max_epochs=4.0)
    figure = stream.stream_chart([("s", schedule)], ("web", "code"))
    code = next(trace for trace in figure.data if trace.name == "code")
    np.testing.assert_allclose(code.y, np.asarray(code.x) / 100, atol=1e-5)


def test_the_best_so_far_never_falls(data: ReportData) -> None:
    rows = tables.trial_rows(data)
    figure = trials.progress_chart(rows, OBJECTIVE)
    best = next(trace for trace in figure.data if trace.name == "best so far")
    values = [row.objective for row in rows if row.objective is not None]
    assert list(best.y) == [max(values[: n + 1]) for n in range(len(values))]


def test_the_contrast_has_spearman_in_its_title(data: ReportData) -> None:
    rows = tables.trial_rows(data)
    figure = trials.contrast_chart(rows, OBJECTIVE, CONTRAST)
    values = [(row.objective, row.contrast) for row in rows]
    expected = -spearmanr(*zip(*values, strict=True)).statistic
    assert trials.agreement_of(rows, OBJECTIVE, CONTRAST) == pytest.approx(expected)
    assert f"{expected:+.2f}" in figure.layout.title.text
    assert sum(len(trace.x) for trace in figure.data) == len(rows)


def test_the_law_chart_shows_every_trial_once(data: ReportData) -> None:
    assert data.law is not None
    figure = law_chart(data.law)
    points = {(x, y) for trace in figure.data[:2] for x, y in zip(trace.x, trace.y, strict=True)}
    assert points == set(zip(data.law.values, data.law.out_of_fold, strict=True))
    best = min(figure.data[1].x)
    assert best >= max(figure.data[0].x)


def test_worse_gains_differ_in_colour_and_marker(data: ReportData) -> None:
    rows = gains.means_of(tables.comparison_rows(data.recommendation), (OBJECTIVE,), _STAGES)
    figure = gains.forest_chart(rows)
    looks = {trace.name: (trace.marker.color, trace.marker.symbol) for trace in figure.data}
    assert looks["better"][0] != looks["worse"][0]
    assert looks["better"][1] != looks["worse"][1]
    trace = next(trace for trace in figure.data if trace.name == "worse")
    row = next(row for row in rows if row.verdict == "worse")
    assert trace.x[0] + trace.error_x.array[0] == pytest.approx(row.high)
    assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(row.low)


def test_means_are_shown_after_the_last_stage_that_has_them(data: ReportData) -> None:
    rows = tables.comparison_rows(data.recommendation)
    early = [
        replace(row, measure="early/bits_per_byte/mean") for row in rows if row.measure == CONTRAST
    ]
    found = gains.means_of([*early, *rows], (), _STAGES)
    means = {OBJECTIVE, CONTRAST, "sft/accuracy/mean"}
    assert {row.measure for row in found} == means
    kept = gains.means_of([*early, *rows], (early[0].measure, None), _STAGES)
    assert {row.measure for row in kept} == {*means, early[0].measure}


def test_every_panel_of_gains_marks_no_gain(data: ReportData) -> None:
    rows = gains.means_of(tables.comparison_rows(data.recommendation), (OBJECTIVE,), _STAGES)
    figure = gains.forest_chart(rows)
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0, 0)] * 3
    assert all(axis.rangemode == "tozero" for axis in figure.select_xaxes())


def test_bars_are_by_family_with_the_mean_last(data: ReportData) -> None:
    rows = gains.by_subject(tables.outcome_rows(data), OBJECTIVE)
    figure = gains.subject_chart(rows, tables.outcome_labels(data))
    assert figure.data[0].x == ("addition", "recall", "sorting", "mean")
    assert len(figure.data) == 2 * len(data.confirm)
    expected = np.mean(data.confirm[0].measures["sft/margin/recall"])
    assert figure.data[0].y[1] == pytest.approx(expected)


def test_no_two_domains_look_the_same() -> None:
    looks = [style.domain_look(position) for position in range(60)]
    assert len({(look.colour, look.pattern) for look in looks}) == 60
