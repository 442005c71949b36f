"""`mixopt study extend`: go on with other domains, keeping what an earlier study found."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer

from mixopt import atomic
from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.cli import console
from mixopt.cli.begin import RECIPE_COPY, Material, begin, read_settings, train
from mixopt.cli.paths import CatalogOption, MapOption, WorkersOption, find_catalog, read_notes
from mixopt.errors import StudyError
from mixopt.recipes import decode
from mixopt.recipes.locate import locate
from mixopt.schedule import mapping
from mixopt.schedule.mapping import read_mapping
from mixopt.schedule.recipe import read_schedule
from mixopt.schedule.space import Space
from mixopt.study.change import Change, find_change, write_change
from mixopt.study.extend import (
    Earlier,
    Frozen,
    best_schedule,
    check_catalog,
    check_stages,
    extended,
)
from mixopt.study.recipe import StudyRecipe
from mixopt.study.setup import DeviceName, find_device


def extend(  # noqa: PLR0913 - one option each
    earlier: Annotated[Path, typer.Argument(help="Folder of the earlier study.")],
    recipe: Annotated[str, typer.Argument(help="Recipe of the new study.")],
    catalog: CatalogOption = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder of the new study; by default runs/NAME.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="Corpus folder; by default beside the catalog.")
    ] = None,
    workers: WorkersOption = None,
    *,
    split: Annotated[
        list[str] | None, typer.Option("--split", help="OLD=NEW,NEW: a domain that was divided.")
    ] = None,
    merge: Annotated[
        list[str] | None, typer.Option("--merge", help="NEW=OLD,OLD: domains that became one.")
    ] = None,
    mapped: MapOption = None,
    search_all: Annotated[
        bool, typer.Option("--search-all", help="Freeze nothing; old trials still count.")
    ] = False,
    device: Annotated[
        DeviceName, typer.Option("--device", help="Where proxies are trained.")
    ] = "auto",
) -> None:
    """Search again after domains were added, split or merged, around what a study found."""
    found = _earlier(earlier)
    check_catalog(found)
    path = find_catalog(catalog)
    inventory = read_inventory(path)
    file = locate(recipe, "schedules")
    asked = read_schedule(file, inventory, StudyRecipe, domains=read_mapping(tuple(mapped or ())))
    check_stages(found.recipe, asked)
    change = find_change(
        found.inventory, inventory, _parts(split, "--split"), _parts(merge, "--merge")
    )
    data = _data(file, asked, inventory)
    frozen: tuple[Frozen, ...] = ()
    if not search_all:
        data, frozen = extended(data, best_schedule(found), change, inventory)
    written = decode.validate(data, StudyRecipe, file=str(file))
    place = folder if folder is not None else Path("runs") / asked.name
    _tell(change, frozen, asked, Space(recipe=written, inventory=inventory), found.num_trials)
    _write(place, data, change, earlier)
    warm = (str(earlier.absolute()),)
    material = Material(recipe=str(place / RECIPE_COPY), catalog=path, warm=warm)
    setup = begin(material, place, corpus, None, find_device(device))
    train(setup, workers)
    console.show_text(f"{setup.folder}: {setup.settings.trials} trials")


def _earlier(folder: Path) -> Earlier:
    catalog = Path(read_notes(folder).catalog)
    if not catalog.is_file():
        what = f"the catalog of {folder} is gone"
        raise StudyError(what, why=f"It was {catalog}.", remedy="Put it back there.")
    return Earlier(folder=folder, recipe=read_settings(folder), inventory=read_inventory(catalog))


def _parts(texts: list[str] | None, option: str) -> dict[str, tuple[str, ...]]:
    """Return the table that `name=one,other` stand for."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts or ():
        name, _, given = text.partition("=")
        parts = tuple(part.strip() for part in given.split(","))
        if not name.strip() or name.strip() in found or len(parts) < 2 or not all(parts):
            what = f"{option} {text}: expected NAME=ONE,OTHER, each name once"
            raise StudyError(what)
        found[name.strip()] = parts
    return found


def _data(file: Path, recipe: StudyRecipe, inventory: Inventory) -> dict[str, Any]:
    """Return the data of a valid recipe under the names of the catalog."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    data = mapping.replaced(data, recipe.domains, inventory.supply(inventory.names()))
    return {key: value for key, value in data.items() if key != "domains"}


def _write(folder: Path, data: dict[str, Any], change: Change, earlier: Path) -> None:
    """Write the recipe that is searched, and what became of the domains, into the new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    head = f"# Extends {earlier}.\n"
    text = head + tomli_w.dumps(data)
    kept = folder / RECIPE_COPY
    if kept.is_file() and kept.read_text(encoding="utf-8") != text:
        what = f"{folder} holds another study"
        remedy = (
            f"Go on with it by `mixopt study run {kept} --folder {folder}`, or extend into another."
        )
        raise StudyError(what, remedy=remedy)
    atomic.write(kept, text)
    write_change(folder, change)


def _tell(
    change: Change, frozen: tuple[Frozen, ...], asked: StudyRecipe, space: Space, trials: int
) -> None:
    """Say what is frozen, what is searched, and what that saves."""
    for name in ("added", "removed", "changed"):
        if getattr(change, name):
            console.narrate(f"{name}: {', '.join(getattr(change, name))}")
    for old, parts in change.split.items():
        console.narrate(f"split: {old} into {', '.join(parts)}")
    for new, parts in change.merged.items():
        console.narrate(f"merged: {', '.join(parts)} into {new}")
    for each in frozen:
        ratios = ", ".join(f"{name} {ratio:.3g}" for name, ratio in each.mixture.as_dict().items())
        console.narrate(f"frozen in {each.stage}: {ratios}")
    if frozen:
        searched = ", ".join(("all of these together", *change.affected))
        console.narrate(f"searched: {searched}")
    whole = len(Space(recipe=asked, inventory=space.inventory).coordinates())
    console.narrate(f"coordinates: {len(space.coordinates())}, where a full search has {whole}")
    console.narrate(f"earlier trials that inform the law: {trials}")
