"""What online policies chose over a stage: one stack of shares per schedule and stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from mixopt.report import wording
from mixopt.report.charts.style import domain_band, styled
from mixopt.schedule.freeze import Choice

_EDGE = 1e-6  # share of the stage between the two sides of a step; equal x would be merged


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """What was chosen in one stage of one schedule."""

    title: str
    choices: tuple[Choice, ...]


def trajectory_chart(rows: Sequence[Trajectory], domains: tuple[str, ...]) -> go.Figure:
    """Draw the shares that were trained on, from choice to choice; they hold between two.

    Args:
        rows: one panel each.
        domains: all domains, which fixes their colours.
    """
    figure = make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.3 / (len(rows) + 1),
        subplot_titles=[wording.plotted(row.title) for row in rows],
    )
    shown: set[str] = set()
    for number, row in enumerate(rows, start=1):
        where, weights = _steps(row.choices, domains)
        for position, domain in enumerate(domains):
            if weights[:, position].max() > 0:
                band = domain_band(domain, position, stack=str(number), first=domain not in shown)
                figure.add_trace(band.update(x=where, y=weights[:, position]), row=number, col=1)
                shown.add(domain)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(title="share of the stage", row=len(rows), col=1)
    height = 130 + 190 * len(rows)
    legend = {"orientation": "h", "y": -60 / height, "yanchor": "top", "x": 0}
    return styled(figure, height, hovermode="x unified", legend=legend)


def _steps(
    choices: Sequence[Choice], domains: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of every choice [2N] and the weights there [2N, M]."""
    since = np.array([choice.since for choice in choices])
    until = np.append(since[1:] - _EDGE, 1.0)
    where = np.stack([since, until], axis=1).ravel()
    weights = np.stack([choice.mixture.on(domains) for choice in choices])
    return where, np.repeat(weights, 2, axis=0)
