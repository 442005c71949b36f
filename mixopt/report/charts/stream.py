"""The mixture over time as a stream, one row per schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from mixopt.report import wording
from mixopt.report.charts.style import GRID, INK, domain_band, styled
from mixopt.schedule.schedule import Schedule, Stage

_POINTS_PER_STAGE = 25
_EDGE = 1e-6  # share of the axis between the two sides of a boundary; equal x would be merged
_OWN_ANSWERS = "the proxy's<br>own answers"
_LABELLED = 0.07  # least mean weight of a band that is named inside


def stream_chart(schedules: Sequence[tuple[str, Schedule]], domains: tuple[str, ...]) -> go.Figure:
    """Draw schedules above one another: `lm` stages on one scale of tokens, the others beside it.

    Args:
        schedules: label and schedule of each row.
        domains: all domains, which fixes their colours.
    """
    beside = any(stage.kind != "lm" for _, schedule in schedules for stage in schedule.stages)
    columns = ("lm", "after") if beside else ("lm",)
    figure = make_subplots(
        rows=len(schedules),
        cols=len(columns),
        column_widths=[0.78, 0.22] if beside else [1.0],
        horizontal_spacing=0.05,
        vertical_spacing=0.12,
        shared_xaxes="columns",
    )
    shown: set[str] = set()
    for row, (label, schedule) in enumerate(schedules, start=1):
        for position, part in enumerate(columns, start=1):
            stages = [stage for stage in schedule.stages if (stage.kind == "lm") == (part == "lm")]
            if stages:
                _draw(figure, stages, domains, (row, position), shown)
        figure.update_yaxes(title=wording.plotted(label), row=row, col=1)
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(exponentformat="B")
    figure.update_xaxes(title="tokens of the target run", row=len(schedules), col=1)
    if beside:
        figure.update_xaxes(title="tokens, own scale", nticks=3, row=len(schedules), col=2)
        figure.update_yaxes(showticklabels=False, col=2)
    return styled(
        figure,
        120 + 250 * len(schedules),
        legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "traceorder": "normal"},
        hovermode="x unified",
    )


def _draw(
    figure: go.Figure,
    stages: Sequence[Stage],
    domains: tuple[str, ...],
    cell: tuple[int, int],
    shown: set[str],
) -> None:
    where, weights = _sampled(stages, domains)
    row, col = cell
    for position, domain in enumerate(domains):
        if weights[:, position].max() > 0:
            band = domain_band(domain, position, stack=f"{row}-{col}", first=domain not in shown)
            figure.add_trace(band.update(x=where, y=weights[:, position]), row=row, col=col)
            shown.add(domain)
    _annotate(figure, stages, domains, cell)
    figure.update_xaxes(range=[0, float(where[-1])], row=row, col=col)


def _sampled(
    stages: Sequence[Stage], domains: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on the axis of tokens [N] and the weights there [N, M]."""
    edge = _EDGE * sum(stage.tokens for stage in stages)
    where, weights, start = [], [], 0
    for stage in stages:
        count = 2 if stage.curve.shape == "constant" else _POINTS_PER_STAGE
        progress = np.linspace(0, 1, count)
        where.append(np.clip(start + progress * stage.tokens, start + edge, None))
        weights.append(stage.curve.weights_at(progress, domains))
        start += stage.tokens
    points = np.concatenate(where)
    points[0] = 0.0
    return points, np.concatenate(weights)


def _annotate(
    figure: go.Figure, stages: Sequence[Stage], domains: tuple[str, ...], cell: tuple[int, int]
) -> None:
    """Mark boundaries, name stages above and wide bands inside."""
    row, col = cell
    start = 0
    plain = {"showarrow": False, "row": row, "col": col}
    for stage in stages:
        middle = start + stage.tokens / 2
        title = f"<b>{wording.plotted(stage.name)}</b> {wording.tokens(stage.tokens)}"
        figure.add_annotation(x=middle, y=1, yshift=11, text=title, font_size=12, **plain)
        if start:
            figure.add_vline(
                x=start, line={"color": INK, "width": 2, "dash": "dash"}, row=row, col=col
            )
        if not stage.curve.domains:
            text = _OWN_ANSWERS
            figure.add_annotation(x=middle, y=0.5, text=text, font={"size": 11}, **plain)
        weights = stage.curve.mean().on(domains)
        heights = np.cumsum(weights) - weights / 2
        for domain, weight, height in zip(domains, weights, heights, strict=True):
            if weight >= _LABELLED:
                text = f"{wording.plotted(wording.shortened(domain))} {weight:.0%}"
                font = {"size": 11, "color": INK}
                figure.add_annotation(
                    x=middle, y=height, text=text, font=font, bgcolor="rgba(255,255,255,0.75)",
                    bordercolor=GRID, borderpad=1, **plain,
                )  # fmt: skip
        start += stage.tokens
