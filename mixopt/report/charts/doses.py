"""How much of each domain the best trials trained on, against all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mixopt.report import wording
from mixopt.report.charts.style import BETTER, look_of, styled

_OFFSET = 0.16  # rows of a domain that the best quarter is drawn below all trials


def dose_chart(
    doses: NDArray[np.float64],
    best: NDArray[np.bool_],
    domains: Sequence[str],
    marked: Sequence[tuple[str, NDArray[np.float64]]],
) -> go.Figure:
    """Draw shares of the `lm` tokens per domain.

    Args:
        doses: [N, M] share of every domain in every trial.
        best: [N] whether the trial is in the best quarter.
        domains: the M names.
        marked: label and doses [M] of schedules to point out.
    """
    rows = np.arange(len(domains), dtype=float)
    figure = go.Figure()
    for name, chosen, shift, colour, symbol in (
        ("other trials", ~best, _OFFSET, "#9aa1ab", "line-ns-open"),
        ("best quarter", best, -_OFFSET, BETTER, "diamond-open"),
    ):
        count = int(chosen.sum())
        figure.add_trace(
            go.Scatter(
                x=doses[chosen].ravel(),
                y=np.tile(rows + shift, count),
                name=name,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.5}},
                hovertemplate="%{x:.1%}",
            )
        )
    for label, dose in marked:
        look = look_of(label)
        figure.add_trace(
            go.Scatter(
                x=dose,
                y=rows,
                name=wording.plotted(label),
                mode="markers",
                marker={"color": look.colour, "symbol": look.symbol, "size": 13, "line": {"width": 1, "color": "#ffffff"}},
                hovertemplate="%{x:.1%}",
            )
        )  # fmt: skip
    names = [wording.plotted(domain) for domain in domains]
    figure.update_yaxes(tickvals=rows, ticktext=names, range=[len(rows) - 0.5, -0.5])
    figure.update_xaxes(
        title="share of the pretraining tokens", tickformat=".0%", rangemode="tozero"
    )
    return styled(figure, 130 + 44 * len(domains))
