"""The section on stages shows what happened, stage by stage, in words and with intervals."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from mixopt.report import sections, tables
from mixopt.report.charts.stream import stream_chart
from mixopt.report.charts.trajectory import Trajectory, trajectory_chart
from mixopt.report.data import ReportData, accounted
from mixopt.report.figures import pictures
from mixopt.report.markup import Cell, details, table
from mixopt.report.stages import stages_section
from mixopt.schedule.curve import constant
from mixopt.schedule.freeze import Choice
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.study.ledger import FigureRecord
from mixopt.study.recommendation import Comparison, OrderEffect

_CHOICES = (
    Choice(since=0.0, mixture=mixture_of({"web": 0.75, "code": 0.25})),
    Choice(since=0.4, mixture=mixture_of({"web": 0.25, "math": 0.75})),
)


@pytest.fixture
def lived(data: ReportData) -> ReportData:
    """Return a study whose text was forgotten in SFT, and whose stages noted figures."""

    def aged(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(value + 0.5 + 0.01 * n for n, value in enumerate(values))

    records = [
        replace(
            record,
            measured={},
            measures={
                **record.measures,
                **{f"sft/bits_per_byte/{s}": aged(record.measures[f"late/bits_per_byte/{s}"]) for s in ("mean", "web")},
            },
        )
        for record in data.confirm
    ]  # fmt: skip
    figures = tuple(
        FigureRecord(trial=records[0].trial, seed=n, stage="early", name="opened_at", value=0.3 + n / 10)
        for n in range(2)
    )  # fmt: skip
    trajectories = {records[0].trial: {"late": _CHOICES}}
    return replace(data, confirm=tuple(records), figures=figures, trajectories=trajectories)


def test_a_stage_that_takes_is_said_to(lived: ReportData) -> None:
    text = unescape("\n".join(stages_section(lived)))
    assert text.count("<h3>") == 3 + 2
    start, end = text.index("What was forgotten"), text.index("How the stages went")
    forgotten = text[start:end]
    assert "where pretraining ended" in forgotten
    assert forgotten.count("worse</span>") == 2 * 3
    assert "+0.515" in forgotten
    assert "gate opened at" in text[end:]
    assert "0.350 ± 0.050" in text[end:]


def test_families_and_domains_are_behind_a_fold(lived: ReportData) -> None:
    text = "\n".join(stages_section(lived))
    shown, folded = text.split("<details>", maxsplit=1)
    assert ">recall<" not in shown
    assert ">recall<" in folded.split("</details>", maxsplit=1)[0]
    assert text.count("<details>") == 3


def test_only_known_labels_are_accounted_for_and_the_search_stands_in(
    data: ReportData, begun: ReportData
) -> None:
    assert [each.label for each in data.accounted()] == ["recommended", "natural", "uniform"]
    assert [each.trial for each in begun.accounted()] == ["search-0000", "search-0001"]
    empty = [replace(record, measures={}) for record in data.confirm]
    assert accounted(empty) == ()
    assert list(stages_section(replace(data, confirm=tuple(empty)))) == []


def test_the_order_effect_has_a_section_even_when_there_is_none(data: ReportData) -> None:
    assert data.recommendation is not None
    assert "What the order does by itself" not in sections.body(data)
    found = Comparison(
        measure=data.objective, left="recommended", right="same-dose", gain=-0.5, low=-0.9,
        high=-0.1, num_seeds=4,
    )  # fmt: skip
    for effect, said in (
        (OrderEffect(controls=("same-dose",), comparisons=(found,)), "Order alone gives -0.5"),
        (OrderEffect(), "no order to judge"),
    ):
        concluded = data.recommendation.model_copy(update={"order_effect": effect})
        body = sections.body(replace(data, recommendation=concluded))
        section = body[body.index("What the order does by itself") :][:900]
        assert said in section
        assert (">worse<" in section) == bool(effect.comparisons)


def test_trajectories_are_drawn_as_steps(lived: ReportData) -> None:
    assert "chosen" in [each.name for each in pictures(lived)]
    rows = [Trajectory(title="recommended, late", choices=_CHOICES)]
    figure = trajectory_chart(rows, ("web", "code", "math"))
    web = next(trace for trace in figure.data if trace.name == "web")
    np.testing.assert_allclose(web.x, [0, 0.4, 0.4, 1], atol=1e-5)
    np.testing.assert_allclose(web.y, [0.75, 0.75, 0.25, 0.25])
    heights = np.sum([trace.y for trace in figure.data], axis=0)
    np.testing.assert_allclose(heights, 1)
    assert all(left < right for left, right in zip(web.x, web.x[1:], strict=False))


def test_cells_of_two_lines_are_escaped_and_named() -> None:
    cell = Cell(text="<1>", below="[<2>]", verdict="worse")
    text = table(["<a>", "b"], [["x", cell]])
    assert "&lt;1&gt;<br><span" in text
    assert '<span class="small worse">[&lt;2&gt;] worse</span>' in text
    assert "small" not in table(["a", "b"], [["x", Cell(text="1")]])
    assert details("<s>", "<p>kept</p>").startswith("<details><summary>&lt;s&gt;</summary>")


def test_a_stage_of_own_answers_has_no_mixture_to_draw(data: ReportData) -> None:
    schedule = data.schedule(data.confirm[0])
    nothing = constant(Mixture(domains=(), weights=()))
    last = replace(schedule.stages[-1], name="dpo", kind="dpo", curve=nothing)
    longer = replace(schedule, stages=(*schedule.stages, last))
    assert "dpo" not in {row.stage for row in tables.weight_rows(longer)}
    figure = stream_chart([("recommended", longer)], data.inventory.names())
    texts = [note.text for note in figure.layout.annotations]
    assert any("own answers" in text for text in texts)
    assert any("<b>dpo</b>" in text for text in texts)
