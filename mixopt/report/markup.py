"""The few pieces of HTML that a page is built from; every text that goes in is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

_CONFIG = {
    "displayModeBar": "hover",
    "responsive": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A cell of two lines: a value, and in small what became of it."""

    text: str
    below: str = ""
    verdict: str = ""  # `better` and `worse` are coloured and named, others are named


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph."""
    return f"<p{_class(style)}>{escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def items(texts: Iterable[str]) -> str:
    """Return a list of code-like texts, such as paths."""
    return "<ul>" + "".join(f"<li><code>{escape(text)}</code></li>" for text in texts) + "</ul>"


def details(summary: str, content: str) -> str:
    """Return content that a reader opens; on paper it is open.

    Args:
        summary: text of the line that is always shown.
        content: markup.
    """
    return f"<details><summary>{escape(summary)}</summary>\n{content}</details>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, text_columns: int = 1
) -> str:
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


def _cell(cell: str | Cell, style: str) -> str:
    if isinstance(cell, Cell):
        return f"<td{_class(style)}>{escape(cell.text)}{_small(cell)}</td>"
    text = cell
    verdict = text if text in {"better", "worse"} else ""
    return f"<td{_class(' '.join(part for part in (style, verdict) if part))}>{escape(text)}</td>"


def _small(cell: Cell) -> str:
    if not cell.below and not cell.verdict:
        return ""
    said = f"{cell.below} {cell.verdict}".strip()
    style = f"small {cell.verdict}" if cell.verdict in {"better", "worse"} else "small"
    return f"<br><span{_class(style)}>{escape(said)}</span>"


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
