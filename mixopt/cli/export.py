"""`mixopt export`: a schedule, or the winner of a study, as configs of real trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.catalog.inventory import iterate_documents, read_inventory, read_shards
from mixopt.cli import console
from mixopt.cli.paths import CatalogOption, JsonOption, find_catalog, read_notes
from mixopt.cli.schedule import read_space
from mixopt.corpus.tokenizer import load_tokenizer
from mixopt.errors import ExportError
from mixopt.export.plan import make_export_plan
from mixopt.export.target import TARGETS, ExportOptions, ExportSummary, export_schedule
from mixopt.recipes.locate import locate
from mixopt.schedule.schedule import Schedule
from mixopt.study.decisions import gates_opened
from mixopt.study.ledger import Ledger
from mixopt.study.recommendation import SCHEDULE_FILE


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the command to the application."""
    parent.command("export", help=help_text)(export)


def export(
    source: Annotated[str, typer.Argument(help="Schedule recipe, or a study folder: its winner.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("export"),
    target: Annotated[
        str, typer.Option("--target", help=f"One or more, by commas, of {', '.join(TARGETS)}.")
    ] = ",".join(TARGETS),
    catalog: CatalogOption = None,
    *,
    with_documents: Annotated[
        bool, typer.Option("--with-documents", help="Write the documents as JSONL as well.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a schedule as configs of real trainers, and verify the mixture that comes out."""
    schedule, path = _find(source, catalog)
    summary = export_file(
        schedule,
        path,
        out,
        target.split(","),
        with_documents=with_documents,
        study=Path(source) if Path(source).is_dir() else None,
    )
    if as_json:
        console.show_json(summary)
        return
    for note in summary.approximations:
        console.narrate(note)
    show_checks(summary)
    console.show_text(f"{summary.folder}: start with README.md")


def export_file(
    schedule_file: Path,
    catalog: Path,
    out: Path,
    targets: list[str],
    *,
    with_documents: bool,
    study: Path | None = None,
) -> ExportSummary:
    """Export a schedule without open numbers.

    Args:
        schedule_file: the recipe.
        catalog: what it draws from.
        out: folder to write.
        targets: names of targets.
        with_documents: write the documents as JSONL as well.
        study: folder of the study that confirmed the schedule: gates are put where they opened in it;
            without it, where the schedule's tokens put them.

    Raises:
        ExportError: the schedule is a space.
    """
    inventory = read_inventory(catalog)
    space = read_space(str(schedule_file), inventory)
    if space.coordinates():
        what = f"{schedule_file} is a space, not a schedule"
        raise ExportError(
            what,
            why=f"{len(space.coordinates())} of its numbers are open.",
            remedy="Search it with `mixopt study run`, then export the study's folder.",
        )
    schedule = space.resolve({})
    shards = {domain: read_shards(catalog, domain) for domain in schedule.dose()}
    fired = None if study is None else _gates_opened(study, schedule)
    plan = make_export_plan(schedule, inventory, shards, fired)
    names = [name.strip() for name in targets]
    return export_schedule(
        plan,
        out,
        names,
        options=ExportOptions(),
        documents_of=(
            lambda domain: iterate_documents(catalog, domain, "train", load=load_tokenizer)
        )
        if with_documents
        else None,
    )


def show_checks(summary: ExportSummary) -> None:
    """Print planned against realized shares, stage by stage."""
    rows = [
        (record.name, check.stage, check.distance)
        for record in summary.targets
        for check in record.checks
    ]
    console.show_table(
        ["target", "stage", "distance of realized from planned shares"], rows, as_json=False
    )


def _gates_opened(study: Path, schedule: Schedule) -> dict[str, float]:
    """Return where the gates of a schedule opened when it was confirmed, as shares of both stages."""
    ledger = Ledger(study)
    names = {
        record.trial
        for record in ledger.records("confirm")
        if record.schedule_digest == schedule.digest
    }
    figures = [figure for figure in ledger.figures("confirm") if figure.trial in names]
    return gates_opened(figures, schedule)


def _find(source: str, catalog: Path | None) -> tuple[Path, Path]:
    folder = Path(source)
    if folder.is_dir():
        winner = folder / SCHEDULE_FILE
        if not winner.is_file():
            what = f"{folder} has no recommended schedule yet"
            raise ExportError(what, remedy=f"Run `mixopt recommend {folder}`.")
        found = catalog if catalog is not None else Path(read_notes(folder).catalog)
        return winner, find_catalog(found)
    return locate(source, "schedules"), find_catalog(catalog)
