"""`mixopt study`: run, show, extend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.begin import Material, begin, read_settings, train
from mixopt.cli.extend import extend
from mixopt.cli.paths import CatalogOption, JsonOption, MapOption, WorkersOption, find_catalog
from mixopt.errors import StudyError
from mixopt.evaluation.score import score
from mixopt.study.ledger import Ledger, TrialRecord
from mixopt.study.setup import DeviceName, StudySetup, find_device
from mixopt.study.worth import read_worths


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(run)
    app.command()(show)
    app.command()(extend)
    parent.add_typer(app, name="study")


def run(  # noqa: PLR0913 - one option each
    recipe: Annotated[str, typer.Argument(help="Study recipe: a path or a shipped name.")],
    catalog: CatalogOption = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Study folder; by default runs/NAME.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="Corpus folder; by default beside the catalog.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage", help="Optuna storage URL; by default SQLite.")
    ] = None,
    workers: WorkersOption = None,
    *,
    mapped: MapOption = None,
    device: Annotated[
        DeviceName, typer.Option("--device", help="Where proxies are trained.")
    ] = "auto",
    warm: Annotated[
        list[Path] | None,
        typer.Option("--warm", help="Folder of an earlier study whose trials inform this one."),
    ] = None,
) -> None:
    """Search a space; the same command goes on where it was stopped."""
    setup = begin(
        Material(
            recipe=recipe,
            catalog=find_catalog(catalog),
            mapped=tuple(mapped or ()),
            warm=tuple(str(each.absolute()) for each in warm or ()),
        ),
        folder,
        corpus,
        storage,
        find_device(device),
    )
    train(setup, workers)
    count = len(setup.ledger.records("search"))
    console.show_text(f"{setup.folder}: {count} trials")


def show(
    folder: Annotated[Path, typer.Argument(help="Study folder.")],
    measure: Annotated[
        list[str] | None, typer.Option("--measure", help="Measures; by default the objectives.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show all trials of a study with their measures."""
    settings = read_settings(folder).study
    keys = list(measure or dict.fromkeys([settings.objective, *settings.also]))
    records = Ledger(folder).records()
    _narrate_tokens(records)
    for first, worth in list(read_worths(folder).items())[-1:]:
        console.narrate(
            f"the batch from trial {first} was expected to gain {worth:.3g} over the best run"
        )
    stopped = sum(bool(record.stopped) for record in records)
    if stopped and settings.stopping is not None:
        console.narrate(f"stopped after {settings.stopping.after}: {stopped} trials")
    known = {key for record in records for key in record.measures}
    unknown = [key for key in keys if key not in known]
    if unknown and known:
        what = f"no measure '{unknown[0]}' in {folder}"
        raise StudyError(what, why=f"Measures: {', '.join(sorted(known))}.")
    with_proxies = any(record.proxy for record in records)
    rows = []
    for record in records:
        cells: list[object] = [record.proxy or settings.proxy] if with_proxies else []
        for key in keys:
            values = record.measures.get(key, ())
            scored = score(values) if values else None
            cells += [scored.value, scored.standard_error] if scored else [None, None]
        rows.append((record.trial, record.label, len(record.seeds), *cells, record.cpu_seconds))
    columns = ["trial", "label", "seeds", *(["proxy"] if with_proxies else [])]
    columns += [p for key in keys for p in (key, f"{key} se" if as_json else "se")]
    console.show_table([*columns, "CPU s"], rows, as_json=as_json, title=str(folder))


def narrate_costs(setup: StudySetup) -> None:
    """Say what each stage cost, its examination included."""
    costs = setup.ledger.stage_costs()
    total = sum(cost.cpu_seconds for cost in costs)
    shown = ", ".join(
        f"{cost.stage} {cost.cpu_seconds:,.0f} ({cost.cpu_seconds / cost.trained:.1f} each)"
        for cost in costs
    )
    if total:
        console.narrate(f"CPU seconds by stage: {shown}; {total:,.0f} in all")


def _narrate_tokens(records: list[TrialRecord]) -> None:
    """Say what sharing the beginnings of schedules saved."""
    trained = sum(record.trained_tokens for record in records)
    scheduled = sum(record.tokens for record in records)
    if trained:
        console.narrate(
            f"tokens: {scheduled:,} scheduled, {trained:,} trained ({scheduled / trained:.2f} x)"
        )
