"""The few pieces of HTML that a page is built from; every text that goes in is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import plotly.graph_objects as go

_CONFIG = {
    "displayModeBar": "hover",
    "responsive": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
}


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph."""
    return f"<p{_class(style)}>{escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def items(texts: Iterable[str]) -> str:
    """Return a list of code-like texts, such as paths."""
    return "<ul>" + "".join(f"<li><code>{escape(text)}</code></li>" for text in texts) + "</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """Return a table; the first columns are text, the others numbers.

    A cell that is a verdict, `better` or `worse`, is coloured so.
    """
    styles = ["text" if position < text_columns else "" for position in range(len(head))]
    top = "".join(
        f"<th{_class(style)}>{escape(cell)}</th>" for style, cell in zip(styles, head, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, s) for s, c in zip(styles, row, strict=True))}</tr>\n"
        for row in rows
    )
    return (
        f'<div class="table"><table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody>'
        "</table></div>"
    )


def picture(name: str, title: str, caption: str, figure: go.Figure) -> str:
    """Return a chart with its title and caption; the page must hold plotly.js."""
    chart = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{name}",
        default_height=f"{figure.layout.height}px",
        config=_CONFIG,
    )
    return (
        f"<figure>{heading(title, 3)}<figcaption>{escape(caption)}</figcaption>\n"
        f'<div class="chart">{chart}</div></figure>'
    )


def _cell(text: str, style: str) -> str:
    verdict = text if text in {"better", "worse"} else ""
    return f"<td{_class(' '.join(part for part in (style, verdict) if part))}>{escape(text)}</td>"


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
