"""`mixopt report`: a study as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.begin import read_settings
from mixopt.cli.paths import JsonOption, read_notes
from mixopt.errors import StudyError
from mixopt.evaluation.measure import MEAN
from mixopt.report.accounts import AccountRow, account_rows
from mixopt.report.data import ReportChoices, accounted, one_of_each, read_report_data
from mixopt.report.page import write_report
from mixopt.study import recommendation
from mixopt.study.ledger import Ledger, TrialRecord


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the command to the application."""
    parent.command("report", help=help_text)(report)


def report(
    folder: Annotated[Path, typer.Argument(help="Study folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; by default report.html in the folder.")
    ] = None,
    *,
    stages: Annotated[
        bool, typer.Option("--stages", help="Print what each stage gave and took instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a study as one HTML page: what was tried, what won, how sure, what got worse."""
    if stages or as_json:
        columns, rows = stage_table(folder, every_subject=as_json)
        title = "changes with 95% intervals, paired by seed"
        console.show_table(columns, rows, as_json=as_json, title=title)
        return
    console.show_text(str(write_page(folder, out or folder / "report.html", ())))


def write_page(folder: Path, out: Path, exports: tuple[Path, ...]) -> Path:
    """Write the page and return where it is."""
    recipe = read_settings(folder)
    settings = recipe.study
    choices = ReportChoices(
        recipe=recipe,
        objective=settings.objective,
        contrast=settings.also[0] if settings.also else None,
        study_seed=settings.seed,
        exports=exports,
    )
    data = read_report_data(folder, Path(read_notes(folder).catalog), choices)
    write_report(out, data)
    console.narrate(f"report: {out}")
    return out


def stage_table(
    folder: Path, *, every_subject: bool
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return columns and rows of what each stage gave and took, by schedule, measure and stage.

    Args:
        folder: of a study.
        every_subject: domains and task families too, not means alone.

    Raises:
        StudyError: no schedule that is accounted for has been trained.
    """
    records = _accounted(folder)
    if not records:
        what = f"{folder} has no finished trial to account for"
        raise StudyError(what, remedy="Run `mixopt study run` and `mixopt recommend` first.")
    columns = (
        "schedule", "measure", "of", "after", "value", "se", "since", "change", "low", "high",
        "verdict",
    )  # fmt: skip
    rows = [
        _stage_row(row)
        for record in records
        for row in account_rows(record)
        if every_subject or row.subject == MEAN
    ]
    return columns, rows


def _accounted(folder: Path) -> tuple[TrialRecord, ...]:
    """Return the confirmed trials to account for, or those of the search while there are none."""
    ledger, concluded = Ledger(folder), None
    if (folder / recommendation.FILE).is_file():
        concluded = recommendation.read_recommendation(folder)
    confirmed = one_of_each(ledger.records("confirm"), concluded)
    return accounted(confirmed) or accounted(ledger.records("search"))


def _stage_row(row: AccountRow) -> tuple[object, ...]:
    change = row.change
    changed = (
        (change.since, change.value, change.low, change.high, change.verdict) if change else None
    )
    head = (row.label, row.measure, row.subject, row.stage, row.value, row.standard_error)
    return (*head, *(changed or (None,) * 5))
