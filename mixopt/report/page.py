"""One self-contained HTML page of a study, written whole or not at all."""

from __future__ import annotations

from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from plotly.offline import get_plotlyjs

from mixopt import atomic
from mixopt.report.data import ReportData
from mixopt.report.sections import body


def write_report(path: Path, data: ReportData) -> None:
    """Write the page; a reader sees the old page or the new one, never a part.

    The page loads nothing: styles and plotly.js are in it.

    Args:
        path: the HTML file; its folder is made where it is missing.
        data: what to show.
    """
    atomic.write(path, render(data))


def render(data: ReportData) -> str:
    """Return the text of the page."""
    template = Template(_packaged("page.html"))
    return template.substitute(
        title=escape(f"mixopt study {data.study}"),
        style=_packaged("page.css"),
        plotly=get_plotlyjs(),
        body=body(data),
    )


def _packaged(name: str) -> str:
    return resources.files("mixopt.report").joinpath(name).read_text(encoding="utf-8")
