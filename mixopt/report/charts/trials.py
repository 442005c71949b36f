"""The search as it went: the objective by trial, and against the measure it is contrasted with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mixopt.evaluation.measure import direction_of
from mixopt.report import wording
from mixopt.report.charts.style import INK, group_look, styled, trial_group
from mixopt.report.tables import TrialRow
from mixopt.surrogate.scores import rank_correlation

_TEXT_PLACES = ("top left", "bottom center", "top right")


def progress_chart(rows: Sequence[TrialRow], objective: str) -> go.Figure:
    """Draw the objective by number of the trial, and the best so far."""
    figure = go.Figure()
    having = sorted((row for row in rows if row.objective is not None), key=lambda row: row.number)
    for group in _groups(having):
        chosen = [row for row in having if trial_group(row.label) == group]
        figure.add_trace(
            go.Scatter(
                x=[row.number for row in chosen],
                y=[row.objective for row in chosen],
                error_y=_bars([row.objective_error for row in chosen]),
                **_points(group, chosen),
            )
        )
    values = np.array([row.objective for row in having], float)
    best = np.minimum if direction_of(objective) == "minimize" else np.maximum
    figure.add_trace(
        go.Scatter(
            x=[row.number for row in having],
            y=best.accumulate(values),
            name="best so far",
            mode="lines",
            line={"shape": "hv", "color": INK, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=wording.plotted(wording.measure_name(objective)))
    return styled(figure, 400)


def contrast_chart(rows: Sequence[TrialRow], objective: str, contrast: str) -> go.Figure:
    """Draw the objective of every trial against another measure, their agreement in the title."""
    figure = go.Figure()
    having = [row for row in rows if row.objective is not None and row.contrast is not None]
    for group in _groups(having):
        chosen = [row for row in having if trial_group(row.label) == group]
        figure.add_trace(
            go.Scatter(
                x=[row.contrast for row in chosen],
                y=[row.objective for row in chosen],
                error_x=_bars([row.contrast_error for row in chosen]),
                error_y=_bars([row.objective_error for row in chosen]),
                **_points(group, chosen),
            )
        )
    figure.update_xaxes(title=wording.plotted(wording.measure_name(contrast)))
    figure.update_yaxes(title=wording.plotted(wording.measure_name(objective)))
    title = "too few trials to say whether the two agree"
    if len(having) > 2:
        agreement = agreement_of(rows, objective, contrast)
        title = f"Spearman {agreement:+.2f} over {len(having)} trials (+1: the two agree on what is better)"
    return styled(figure, 440, title=_title(title), margin={"l": 64, "r": 16, "t": 84, "b": 56})


def agreement_of(rows: Sequence[TrialRow], objective: str, contrast: str) -> float:
    """Return Spearman's correlation of two measures, each counted so that more is better."""
    pairs = np.array(
        [
            (row.objective, row.contrast)
            for row in rows
            if row.objective is not None and row.contrast is not None
        ],
        float,
    )
    same = direction_of(objective) == direction_of(contrast)
    return (1.0 if same else -1.0) * rank_correlation(pairs[:, 0], pairs[:, 1])


def _groups(rows: Sequence[TrialRow]) -> list[str]:
    return list(dict.fromkeys(trial_group(row.label) for row in rows))


def _points(group: str, rows: Sequence[TrialRow]) -> dict[str, object]:
    look = group_look(group)
    return {
        "name": wording.plotted(group),
        "mode": "markers+text" if group == "baseline" else "markers",
        "text": [wording.plotted(row.label) for row in rows],
        "textposition": [_TEXT_PLACES[n % len(_TEXT_PLACES)] for n in range(len(rows))],
        "textfont": {"size": 11, "color": look.colour},
        "marker": {"color": look.colour, "symbol": look.symbol, "size": 10, "line": {"width": 1.5, "color": look.colour}},
        "customdata": [row.trial for row in rows],
        "hovertemplate": "%{customdata} (%{text})<br>%{x:.4g}, %{y:.4g}<extra></extra>",
    }  # fmt: skip


def _bars(errors: Sequence[float]) -> dict[str, object]:
    known = [0.0 if np.isnan(error) else error for error in errors]
    return {"type": "data", "array": known, "thickness": 1, "width": 2, "visible": any(known)}


def _title(text: str) -> dict[str, object]:
    return {"text": text, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 0.98}
