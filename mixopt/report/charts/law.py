"""How well the law predicts trials that it has not seen."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mixopt.report import wording
from mixopt.report.charts.style import BETTER, MUTED, UNCLEAR, styled
from mixopt.report.tables import best_quarter
from mixopt.surrogate.fitting.fit import MeasureLaw


def law_chart(law: MeasureLaw) -> go.Figure:
    """Draw out-of-fold predictions against what was observed, the best quarter apart."""
    scored = next(found for found in law.scores if found.law == law.law)
    best = best_quarter(law.values, law.measure)
    figure = go.Figure()
    for name, chosen, colour, symbol in (
        ("other trials", ~best, UNCLEAR, "circle-open"),
        ("best quarter", best, BETTER, "diamond"),
    ):
        figure.add_trace(
            go.Scatter(
                x=law.values[chosen],
                y=law.out_of_fold[chosen],
                name=name,
                mode="markers",
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 10,
                    "line": {"width": 1.5, "color": colour},
                },
                hovertemplate="observed %{x:.4g}<br>predicted %{y:.4g}<extra></extra>",
            )
        )
    both = np.concatenate([law.values, law.out_of_fold])
    ends = [float(both.min()), float(both.max())]
    line = {"color": MUTED, "dash": "dot", "width": 1.5}
    figure.add_trace(go.Scatter(x=ends, y=ends, name="exact", mode="lines", line=line))
    measure = wording.plotted(wording.measure_name(law.measure))
    figure.update_xaxes(title=f"observed: {measure}")
    figure.update_yaxes(title="predicted without the trial")
    title = (
        f"{wording.plotted(law.law)}: rank correlation {scored.rank_correlation:.2f}, within the "
        f"best quarter {scored.top_quarter_rank_correlation:.2f}, "
        f"regret@1 {scored.regret_at_1:.3g}"
    )
    heading = {"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 0.98}
    return styled(figure, 440, title=heading, margin={"l": 64, "r": 16, "t": 84, "b": 56})
