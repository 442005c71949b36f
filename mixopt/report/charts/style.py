"""The look that all charts share: colours that survive colour blindness, markers, layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from mixopt.report import wording
from mixopt.schedule.mixture import BASELINES
from mixopt.study.recommendation import RECOMMENDED, SAME_DOSE, SAME_RATE_DOSE

INK: Final = "#1b1f24"
MUTED: Final = "#6b7280"
GRID: Final = "#e3e6ea"
BETTER: Final = "#0072b2"
WORSE: Final = "#d55e00"
UNCLEAR: Final = "#6b7280"

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
_DOMAIN_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999",
    "#e58606", "#5d69b1", "#52bca3", "#99582a", "#cc61b0",
)  # fmt: skip
_PATTERNS = ("", "/", ".", "x", "-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How one label is drawn; colour, marker and pattern each tell labels apart alone."""

    colour: str
    symbol: str
    pattern: str


_LOOKS: Final = {
    RECOMMENDED: Look(colour="#d55e00", symbol="star", pattern=""),
    "natural": Look(colour="#33383f", symbol="circle", pattern="/"),
    "uniform": Look(colour="#0072b2", symbol="square", pattern="."),
    "unimax": Look(colour="#009e73", symbol="diamond", pattern="x"),
    SAME_DOSE: Look(colour="#aa4499", symbol="triangle-up", pattern="-"),
    SAME_RATE_DOSE: Look(colour="#7b3f99", symbol="triangle-down", pattern="\\"),
    "design": Look(colour="#8a919c", symbol="circle-open", pattern="|"),
    "law": Look(colour="#d55e00", symbol="triangle-up", pattern="+"),
}
_OTHER_LOOK: Final = Look(colour="#b8860b", symbol="cross", pattern="\\")


def look_of(label: str) -> Look:
    """Return how a label is drawn."""
    return _LOOKS.get(label, _OTHER_LOOK)


def trial_group(label: str) -> str:
    """Return the group that a trial of the search is drawn with: a baseline, the design, or its sampler."""
    return "baseline" if label in BASELINES else label


def group_look(group: str) -> Look:
    """Return how a group of trials is drawn."""
    return look_of("uniform") if group == "baseline" else look_of(group)


def domain_look(position: int) -> Look:
    """Return how the domain at a position of the catalog is drawn."""
    count = len(_DOMAIN_COLOURS)
    pattern = _PATTERNS[(position // count) % len(_PATTERNS)]
    return Look(colour=_DOMAIN_COLOURS[position % count], symbol="circle", pattern=pattern)


def domain_band(domain: str, position: int, *, stack: str, first: bool) -> go.Scatter:
    """Return the band of a domain in a stack of shares, without its points.

    Args:
        domain: its name.
        position: in the catalog, which fixes its colour.
        stack: names the stack that the band belongs to.
        first: whether the legend names the domain here.
    """
    look = domain_look(position)
    return go.Scatter(
        name=wording.plotted(domain),
        legendgroup=domain,
        showlegend=first,
        stackgroup=stack,
        mode="lines",
        line={"width": 0.6, "color": "#ffffff"},
        fillcolor=look.colour,
        fillpattern={"shape": look.pattern, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 6},
        hovertemplate="%{y:.1%}",
    )


def styled(figure: go.Figure, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 - passed on
    """Return the figure with the common layout."""
    figure.update_layout(
        template="none",
        height=height,
        font={"family": _FONT, "size": 13, "color": INK},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        margin={"l": 64, "r": 16, "t": 48, "b": 56},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hoverlabel={"font": {"family": _FONT}},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=MUTED, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=MUTED, automargin=True)
    figure.update_xaxes(title_standoff=8, title_font_size=13)
    figure.update_yaxes(title_standoff=8, title_font_size=13)
    return figure.update_layout(**layout)
