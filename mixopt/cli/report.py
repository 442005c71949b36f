"""`mixopt report`: a study as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.paths import read_notes
from mixopt.cli.study import read_settings
from mixopt.report.data import ReportChoices, read_report_data
from mixopt.report.page import write_report


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the command to the application."""
    parent.command("report", help=help_text)(report)


def report(
    folder: Annotated[Path, typer.Argument(help="Study folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; by default report.html in the folder.")
    ] = None,
) -> None:
    """Write a study as one HTML page: what was tried, what won, how sure, what got worse."""
    console.show_text(str(write_page(folder, out or folder / "report.html", ())))


def write_page(folder: Path, out: Path, exports: tuple[Path, ...]) -> Path:
    """Write the page and return where it is."""
    settings = read_settings(folder).study
    choices = ReportChoices(
        objective=settings.objective,
        contrast=settings.also[0] if settings.also else None,
        study_seed=settings.seed,
        exports=exports,
    )
    data = read_report_data(folder, Path(read_notes(folder).catalog), choices)
    write_report(out, data)
    console.narrate(f"report: {out}")
    return out
