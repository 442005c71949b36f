"""How a study begins and goes on: everything it runs on is found, checked and noted in its folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mixopt import atomic
from mixopt.catalog.inventory import read_inventory
from mixopt.cli import console
from mixopt.cli.corpus import build_store
from mixopt.cli.paths import StudyNotes, corpus_folder, read_notes, write_notes
from mixopt.errors import NotFoundError
from mixopt.proxy.config import read_proxy
from mixopt.recipes.locate import locate
from mixopt.schedule.mapping import read_mapping
from mixopt.schedule.practice import Judged
from mixopt.schedule.recipe import read_schedule
from mixopt.schedule.space import Space
from mixopt.study import fidelity
from mixopt.study.engines.engine import Engine
from mixopt.study.engines.local import LocalEngine
from mixopt.study.recipe import StudyRecipe
from mixopt.study.rung import RungPhase, read_rungs
from mixopt.study.search import remaining_steps, run_search
from mixopt.study.setup import StudySetup, find_device
from mixopt.study.worth import say_worth

RECIPE_COPY: Final = "recipe.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What a study is of."""

    recipe: str  # a path or a shipped name
    catalog: Path
    mapped: tuple[str, ...] = ()  # NAME=DOMAIN: what the recipe's names of data stand for
    warm: tuple[str, ...] = ()  # folders of earlier studies, beside those that the recipe names


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
    decoded = _warmed(
        read_schedule(recipe_file, inventory, StudyRecipe, domains=domains), material.warm
    )
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
        rungs=read_rungs(decoded.study),
    )
    place.mkdir(parents=True, exist_ok=True)
    setup.ledger.create(setup.identity())
    fidelity.check(setup)
    atomic.write(place / RECIPE_COPY, recipe_file.read_bytes())
    write_notes(
        place,
        StudyNotes(
            recipe=RECIPE_COPY,
            catalog=str(catalog.absolute()),
            corpus=str(store_folder.absolute()),
            proxy=decoded.study.proxy,
            storage=url,
            device=setup.device,
            mapped=material.mapped,
            warm=material.warm,
        ),
    )
    return setup


def _warmed(recipe: StudyRecipe, folders: tuple[str, ...]) -> StudyRecipe:
    """Return the recipe with more earlier studies to start from."""
    warm = tuple(dict.fromkeys((*recipe.study.warm, *folders)))
    return recipe.model_copy(update={"study": recipe.study.model_copy(update={"warm": warm})})


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
            recipe=str(folder / notes.recipe),
            catalog=Path(notes.catalog),
            mapped=notes.mapped,
            warm=notes.warm,
        ),
        folder,
        Path(notes.corpus),
        notes.storage,
        notes.device,
    )


def train(setup: StudySetup, workers: int | None) -> None:
    """Run what is left of the scouts, the search and the larger runs."""
    train_rungs(setup, "scout", workers)
    search(setup, workers)
    train_rungs(setup, "scale", workers)


def train_rungs(setup: StudySetup, phase: RungPhase, workers: int | None) -> None:
    """Run what is left of the scouts, or of the larger runs, with a progress bar."""
    rungs = setup.rungs_of(phase)
    if not rungs:
        return
    listed = ", ".join(f"{rung.trials} x {rung.name}" for rung in rungs)
    title = {"scout": "scouts", "scale": "larger runs"}[phase]
    console.narrate(f"{title}: {listed}")
    with (
        make_engine(workers, setup.device) as engine,
        console.progress(
            f"{title}: member-steps", fidelity.remaining_steps(setup, phase)
        ) as advance,
    ):
        fidelity.run_rungs(setup, phase, engine, advance)


def search(setup: StudySetup, workers: int | None) -> None:
    """Run what is left of the search, with a progress bar."""
    total = remaining_steps(setup)
    if total == 0:
        console.narrate(f"search: all {setup.settings.trials} trials are finished")
    with (
        make_engine(workers, setup.device) as engine,
        console.progress("search: member-steps", total) as advance,
    ):
        least = setup.settings.least_gain
        run_search(
            setup,
            engine,
            advance,
            lambda first, worth: console.narrate(say_worth(first, worth, least)),
        )
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
    """Read the recipe that a study was begun with, the earlier studies that were named included."""
    notes = read_notes(folder)
    domains = read_mapping(notes.mapped)
    recipe = read_schedule(folder / notes.recipe, None, StudyRecipe, domains=domains)
    return _warmed(recipe, notes.warm)
