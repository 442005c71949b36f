"""What the recommended schedule gains over the others: a forest of intervals, and bars by subject."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixopt.evaluation.measure import MEAN
from mixopt.report import wording
from mixopt.report.charts.style import BETTER, MUTED, UNCLEAR, WORSE, look_of, styled
from mixopt.report.tables import ComparisonRow, OutcomeRow

_VERDICTS = {
    "better": (BETTER, "circle"),
    "no different": (UNCLEAR, "circle-open"),
    "worse": (WORSE, "x"),
}
_ACROSS = 3


def forest_chart(rows: Sequence[ComparisonRow]) -> go.Figure:
    """Draw gains with 95% intervals, one panel per measure in its own units.

    Args:
        rows: comparisons of one schedule with the others on a few measures.
    """
    measures = list(dict.fromkeys(row.measure for row in rows))
    rights = list(dict.fromkeys(row.right for row in rows))[::-1]
    across = min(_ACROSS, len(measures))
    down = -(-len(measures) // across)
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        subplot_titles=[wording.plotted(wording.measure_name(key)) for key in measures],
        horizontal_spacing=0.05,
        vertical_spacing=0.32 / down,
    )
    shown: set[str] = set()
    for position, measure in enumerate(measures):
        cell = {"row": position // across + 1, "col": position % across + 1}
        for verdict in _VERDICTS:
            chosen = [row for row in rows if (row.measure, row.verdict) == (measure, verdict)]
            if chosen:
                figure.add_trace(
                    _forest_points(verdict, chosen, first=verdict not in shown), **cell
                )
                shown.add(verdict)
        figure.add_vline(x=0, line={"color": MUTED, "width": 1.5}, **cell)
    order = [wording.plotted(label) for label in rights]
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    figure.update_xaxes(nticks=5, rangemode="tozero")
    figure.update_annotations(font_size=12)
    height = 130 + down * (70 + 30 * len(rights))
    return styled(figure, height, legend={"orientation": "h", "y": -60 / height, "yanchor": "top"})


def subject_chart(rows: Sequence[OutcomeRow], labels: Sequence[str]) -> go.Figure:
    """Draw one kind of measure per panel, by subject, with a bar per confirmed schedule.

    Args:
        rows: outcomes of the measures to draw; their cells are in the order of the labels.
        labels: of the confirmed schedules.
    """
    kinds = list(dict.fromkeys(_kind(row.measure) for row in rows))
    figure = make_subplots(
        rows=len(kinds),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.08,
        subplot_titles=[wording.plotted(_kind_name(kind)) for kind in kinds],
    )
    for panel, kind in enumerate(kinds, start=1):
        chosen = [row for row in rows if _kind(row.measure) == kind]
        for position, label in enumerate(labels):
            figure.add_trace(_bars(chosen, position, label, first=panel == 1), row=panel, col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    height = 120 + 260 * len(kinds)
    legend = {"orientation": "h", "y": -40 / height, "yanchor": "top"}
    return styled(figure, height, barmode="group", bargap=0.25, legend=legend)


def means_of(
    rows: Sequence[ComparisonRow], kept: Sequence[str | None], stages: Sequence[str]
) -> list[ComparisonRow]:
    """Return the comparisons on some measures, and on every mean after the last stage that has it.

    Args:
        rows: comparisons of one schedule.
        kept: measures to return wherever they were taken.
        stages: of the schedule, in order.
    """
    places = {stage: number for number, stage in enumerate(stages)}
    last: dict[str, str] = {}  # name -> measure
    for row in sorted(rows, key=lambda row: places.get(row.measure.split("/")[0], -1)):
        if row.measure.endswith(f"/{MEAN}"):
            last[row.measure.split("/")[1]] = row.measure
    return [row for row in rows if row.measure in kept or row.measure in last.values()]


def by_subject(rows: Sequence[OutcomeRow], objective: str) -> list[OutcomeRow]:
    """Return the outcomes of the objective's kind and of accuracy, subject by subject."""
    stage, name, _ = objective.split("/")
    wanted = dict.fromkeys([(stage, name), (stage, "accuracy")])
    chosen = [row for kind in wanted for row in rows if _kind(row.measure) == kind]
    return sorted(
        chosen,
        key=lambda row: (list(wanted).index(_kind(row.measure)), row.measure.endswith(f"/{MEAN}")),
    )


def _forest_points(verdict: str, rows: Sequence[ComparisonRow], *, first: bool) -> go.Scatter:
    colour, symbol = _VERDICTS[verdict]
    return go.Scatter(
        x=[row.gain for row in rows],
        y=[wording.plotted(row.right) for row in rows],
        error_x={
            "type": "data",
            "array": [row.high - row.gain for row in rows],
            "arrayminus": [row.gain - row.low for row in rows],
            "thickness": 2,
            "width": 4,
        },
        name=verdict,
        legendgroup=verdict,
        showlegend=first,
        mode="markers",
        marker={
            "color": colour,
            "symbol": symbol,
            "size": 11,
            "line": {"width": 2, "color": colour},
        },
        customdata=[wording.interval(row.low, row.high) for row in rows],
        hovertemplate="against %{y}: %{x:+.3g}, 95% %{customdata}<extra></extra>",
    )


def _bars(rows: Sequence[OutcomeRow], position: int, label: str, *, first: bool) -> go.Bar:
    cells = [row.cells[position] for row in rows]
    look = look_of(label)
    errors = [cell.standard_error if cell is not None else 0.0 for cell in cells]
    return go.Bar(
        x=[wording.plotted(row.measure.split("/", maxsplit=2)[2]) for row in rows],
        y=[cell.value if cell is not None else None for cell in cells],
        error_y={"type": "data", "array": [error if error > 0 else 0.0 for error in errors], "thickness": 1, "width": 2},
        name=wording.plotted(label),
        legendgroup=label,
        showlegend=first,
        marker={"color": look.colour, "pattern": {"shape": look.pattern, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 5, "solidity": 0.25}},
        hovertemplate="%{x}: %{y:.4g}",
    )  # fmt: skip


def _kind(key: str) -> tuple[str, str]:
    stage, name, _ = key.split("/", maxsplit=2)
    return stage, name


def _kind_name(kind: tuple[str, str]) -> str:
    return f"{wording.NAMES.get(kind[1], kind[1])} after {kind[0]}"
