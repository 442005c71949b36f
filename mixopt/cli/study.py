"""`mixopt study`: run, show."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mixopt import atomic
from mixopt.catalog.inventory import read_inventory
from mixopt.cli import console
from mixopt.cli.corpus import build_store
from mixopt.cli.paths import (
    CatalogOption,
    JsonOption,
    MapOption,
    StudyNotes,
    WorkersOption,
    corpus_folder,
    find_catalog,
    read_notes,
    write_notes,
)
from mixopt.errors import NotFoundError, StudyError
from mixopt.evaluation.score import score
from mixopt.proxy.config import read_proxy
from mixopt.recipes.locate import locate
from mixopt.schedule.mapping import read_mapping
from mixopt.schedule.practice import Judged
from mixopt.schedule.recipe import read_schedule
from mixopt.schedule.space import Space
from mixopt.study.engines.engine import Engine
from mixopt.study.engines.local import LocalEngine
from mixopt.study.ledger import Ledger, TrialRecord
from mixopt.study.recipe import StudyRecipe
from mixopt.study.search import remaining_steps, run_search
from mixopt.study.setup import DeviceName, StudySetup, find_device

_RECIPE_COPY = "recipe.toml"


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(run)
    app.command()(show)
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
) -> None:
    """Search a space; the same command goes on where it was stopped."""
    setup = begin(
        Material(recipe=recipe, catalog=find_catalog(catalog), mapped=tuple(mapped or ())),
        folder,
        corpus,
        storage,
        find_device(device),
    )
    search(setup, workers)
    console.show_text(f"{setup.folder}: {setup.settings.trials} trials")


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What a study is of."""

    recipe: str  # a path or a shipped name
    catalog: Path
    mapped: tuple[str, ...] = ()  # NAME=DOMAIN: what the recipe's names of data stand for


def begin(
    material: Material,
    folder: Path | None,
    corpus: Path | None,
    storage: str | None,
    device: str | None = None,
) -> StudySetup:
    """Find and check everything a study runs on, and note it in the study's folder."""
    catalog = material.catalog
    inventory = read_inventory(catalog)
    recipe_file = locate(material.recipe, "schedules")
    domains = read_mapping(material.mapped)
    decoded = read_schedule(recipe_file, inventory, StudyRecipe, domains=domains)
    check_judges(decoded)
    proxy = read_proxy(decoded.study.proxy)
    place = folder if folder is not None else Path("runs") / decoded.name
    store_folder = corpus_folder(catalog, corpus)
    store = build_store(catalog, store_folder, None, proxy.training.context)
    url = storage or f"sqlite:///{(place / 'optuna.db').absolute()}"
    setup = StudySetup(
        recipe=decoded,
        space=Space(recipe=decoded, inventory=inventory),
        proxy=proxy,
        store=store,
        folder=place,
        storage=url,
        device=device or find_device("auto"),
    )
    place.mkdir(parents=True, exist_ok=True)
    setup.ledger.create(setup.identity())
    atomic.write(place / _RECIPE_COPY, recipe_file.read_bytes())
    write_notes(
        place,
        StudyNotes(
            recipe=_RECIPE_COPY,
            catalog=str(catalog.absolute()),
            corpus=str(store_folder.absolute()),
            proxy=decoded.study.proxy,
            storage=url,
            device=setup.device,
            mapped=material.mapped,
        ),
    )
    return setup


def check_judges(recipe: StudyRecipe) -> None:
    """Raise for a reward model that is not there, which proxies would only miss much later."""
    for stage in recipe.stage:
        practice = stage.practice.middle if stage.practice is not None else None
        if not isinstance(practice, Judged) or practice.judge == "verifier":
            continue
        if not Path(practice.judge).is_dir():
            what = f"stage '{stage.name}': no folder '{practice.judge}' to read a judge from"
            remedy = (
                'Use judge = "verifier", or the folder of a sequence classifier with one output.'
            )
            raise NotFoundError(what, remedy=remedy)


def resume(folder: Path) -> StudySetup:
    """Return the setup of a study from its folder alone."""
    notes = read_notes(folder)
    return begin(
        Material(
            recipe=str(folder / notes.recipe), catalog=Path(notes.catalog), mapped=notes.mapped
        ),
        folder,
        Path(notes.corpus),
        notes.storage,
        notes.device,
    )


def search(setup: StudySetup, workers: int | None) -> None:
    """Run what is left of the search, with a progress bar."""
    total = remaining_steps(setup)
    if total == 0:
        console.narrate(f"search: all {setup.settings.trials} trials are finished")
    with (
        make_engine(workers, setup.device) as engine,
        console.progress("search: member-steps", total) as advance,
    ):
        run_search(setup, engine, advance)
    _warn_of_idle_stages(setup)


def _warn_of_idle_stages(setup: StudySetup) -> None:
    """Say which preference stages taught nothing, as members found no pairs to learn from."""
    found: dict[str, list[bool]] = {}
    for figure in setup.ledger.figures("search"):
        if figure.name == "pairs":
            found.setdefault(figure.stage, []).append(figure.value == 0)
    for stage, empty in found.items():
        if any(empty):
            console.narrate(
                f"stage '{stage}': {sum(empty)} of {len(empty)} proxies found no pairs and learned "
                "nothing in it; ask more problems, or at a level that they answer now and then"
            )


def make_engine(workers: int | None, device: str) -> AbstractContextManager[Engine]:
    """Return the engine that trains on this machine: one process per processor, or one for a GPU."""
    return LocalEngine(workers or (1 if device == "cuda" else None))


def read_settings(folder: Path) -> StudyRecipe:
    """Read the recipe that a study was begun with."""
    notes = read_notes(folder)
    domains = read_mapping(notes.mapped)
    return read_schedule(folder / notes.recipe, None, StudyRecipe, domains=domains)


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
    known = {key for record in records for key in record.measures}
    unknown = [key for key in keys if key not in known]
    if unknown and known:
        what = f"no measure '{unknown[0]}' in {folder}"
        raise StudyError(what, why=f"Measures: {', '.join(sorted(known))}.")
    rows = []
    for record in records:
        cells: list[object] = []
        for key in keys:
            values = record.measures.get(key, ())
            scored = score(values) if values else None
            cells += [scored.value, scored.standard_error] if scored else [None, None]
        rows.append((record.trial, record.label, len(record.seeds), *cells, record.cpu_seconds))
    columns = ["trial", "label", "seeds"]
    columns += [part for key in keys for part in (key, "se")]
    if as_json:
        columns = ["trial", "label", "seeds", *(p for key in keys for p in (key, f"{key} se"))]
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
