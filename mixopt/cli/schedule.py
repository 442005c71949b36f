"""`mixopt schedule`: check, show, plan."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.cli import console
from mixopt.cli.freeze import freeze
from mixopt.cli.paths import CatalogOption, JsonOption, MapOption, find_catalog
from mixopt.errors import SupplyError
from mixopt.proxy.config import read_proxy
from mixopt.recipes.locate import locate
from mixopt.recipes.quantity import show_quantity
from mixopt.schedule.layout import Source
from mixopt.schedule.mapping import read_mapping
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.recipe import ScheduleRecipe, read_schedule
from mixopt.schedule.remarks import remarks
from mixopt.schedule.schedule import Schedule, Stage
from mixopt.schedule.space import Space, fixed_kind
from mixopt.schedule.write import schedule_toml
from mixopt.study.recipe import StudyRecipe

RecipeArgument = Annotated[str, typer.Argument(help="Schedule recipe: a path or a shipped name.")]
AtOption = Annotated[
    str, typer.Option("--at", help=f"Where a space is looked at: {', '.join(BASELINES)}.")
]


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(check)
    app.command()(show)
    app.command()(plan)
    app.command()(freeze)
    parent.add_typer(app, name="schedule")


def read_space(recipe: str, inventory: Inventory, mapped: list[str] | None = None) -> Space:
    """Read a schedule recipe, with or without a `[study]` table, against a catalog."""
    path = locate(recipe, "schedules")
    model = StudyRecipe if _has_study(path) else ScheduleRecipe
    domains = read_mapping(mapped or ())
    found = read_schedule(path, inventory, model, domains=domains)
    return Space(recipe=found, inventory=inventory)


def check(recipe: RecipeArgument, catalog: CatalogOption = None, mapped: MapOption = None) -> None:
    """Report every fault of a recipe against a catalog, and whether its supply suffices."""
    space = read_space(recipe, read_inventory(find_catalog(catalog)), mapped)
    for name in BASELINES:
        space.resolve(space.baseline(name))
    coordinates = space.coordinates()
    kind = fixed_kind(space.recipe)
    freedom = f" with {len(coordinates)} coordinates" if coordinates else ""
    console.show_text(f"{recipe}: a valid {kind}{freedom}, {len(space.recipe.stage)} stages")


def show(
    recipe: RecipeArgument,
    catalog: CatalogOption = None,
    at: AtOption = "natural",
    mapped: MapOption = None,
    *,
    toml: Annotated[bool, typer.Option("--toml", help="Print the resolved recipe.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show stages, mixtures and epochs at the target."""
    space = read_space(recipe, read_inventory(find_catalog(catalog)), mapped)
    schedule = _resolve(space, at)
    if toml:
        console.show_text(schedule_toml(schedule))
        return
    for stage in schedule.stages:
        for note in remarks(stage):
            console.narrate(f"{stage.name}: {note}")
    console.show_table(*stage_table(schedule, space.inventory), as_json=as_json)


def plan(
    recipe: RecipeArgument,
    catalog: CatalogOption = None,
    proxy: Annotated[str, typer.Option("--proxy", help="Proxy recipe.")] = "nano",
    at: AtOption = "natural",
    mapped: MapOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a proxy trains on: steps and sequences per stage, pools and epochs per domain."""
    space = read_space(recipe, read_inventory(find_catalog(catalog)), mapped)
    shape = read_proxy(proxy)
    schedule = _resolve(space, at)

    def available(source: Source) -> int:
        return max(0, space.inventory.domain(source.domain).sample_tokens - 1) // source.context

    def unordered(source: Source, score: str) -> NDArray[np.float64]:  # noqa: ARG001 - no score changes what is drawn
        return np.zeros(available(source))

    budget = shape.training.budget
    made = make_plan(schedule, 0, space.inventory, budget, available, unordered)
    columns = ("stage", "steps", "context", "domain", "sequences", "pool", "epochs in all")
    title = f"{schedule.name} for proxy {shape.name}"
    console.show_table(columns, _plan_rows(made), as_json=as_json, title=title)


def _plan_rows(made: Plan) -> list[tuple[object, ...]]:
    """Return one row per stage and source that it draws from, or one for a stage that practises."""
    rows: list[tuple[object, ...]] = []
    epochs = made.epochs()
    for part in made.stages:
        head = (part.stage.name, part.steps, part.context)
        if part.stage.practice is not None:
            rows.append((*head, _practised(part.stage), None, None, None))
        for index, source in enumerate(made.sources):
            drawn = int(part.drawn[-1][index] - part.drawn[0][index])
            if drawn:
                pool = made.pools[index].num_sequences
                rows.append((*head, source.domain, drawn, pool, epochs[source.domain]))
    return rows


def stage_table(
    schedule: Schedule, inventory: Inventory
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return columns and rows: one row per stage and domain."""
    totals = schedule.epochs(inventory.supply(tuple(schedule.dose())))
    rows: list[tuple[object, ...]] = []
    for stage in schedule.stages:
        head = (stage.name, stage.kind, show_quantity(stage.tokens))
        if stage.practice is not None:
            rows.append((*head, _practised(stage), None, None, None))
        rows += [
            (
                *head,
                domain,
                f"{tokens / stage.tokens:.1%}",
                show_quantity(tokens),
                round(totals[domain], 2),
            )
            for domain, tokens in stage.dose().items()
        ]
    columns = ("stage", "kind", "tokens", "domain", "share", "domain tokens", "epochs in all")
    return columns, rows


def _practised(stage: Stage) -> str:
    return f"own answers ({stage.practice.method})" if stage.practice else ""


def _resolve(space: Space, at: str) -> Schedule:
    if not space.coordinates():
        return space.resolve({})
    if at not in BASELINES:
        what = f"no baseline '{at}'"
        raise SupplyError(what, remedy=f"Baselines: {', '.join(BASELINES)}.")
    return space.resolve(space.baseline(at))


def _has_study(path: Path) -> bool:
    try:
        return "study" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
