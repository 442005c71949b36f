"""`mixopt catalog`: build; the others stand in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import catalog_draft, catalog_score, catalog_show, console, sql
from mixopt.recipes.locate import locate


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(build)
    catalog_show.register(app)
    catalog_draft.register(app)
    catalog_score.register(app)
    sql.register(app)
    parent.add_typer(app, name="catalog")


def build(
    recipe: Annotated[str, typer.Argument(help="Catalog recipe: a path or a shipped name.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("catalog.duckdb"),
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes; 0 chooses by what is to be read.")
    ] = 0,
) -> None:
    """Read the sources of a recipe into one DuckDB file; what has not changed is not read again."""
    num_domains = build_file(recipe, out, workers=workers)
    console.show_text(f"{out}: {num_domains} domains")


def build_file(recipe: str, out: Path, *, workers: int = 0) -> int:
    """Build a catalog, with a progress bar, and return how many domains it has."""
    # Compiled loops and all that reads files take a second to load, which no other command needs.
    from mixopt.catalog.building.build import build_catalog  # noqa: PLC0415
    from mixopt.catalog.counting import Counting  # noqa: PLC0415
    from mixopt.catalog.recipe import CatalogRecipe  # noqa: PLC0415
    from mixopt.corpus.conversations import render_document  # noqa: PLC0415
    from mixopt.corpus.tokenizer import load_tokenizer  # noqa: PLC0415
    from mixopt.recipes.decode import read  # noqa: PLC0415

    recipe_file = locate(recipe, "catalogs")
    decoded = read(recipe_file, CatalogRecipe)
    counting = Counting(
        counters=tuple(map(load_tokenizer, (decoded.tokenizer, *decoded.count_with))),
        render=render_document,
        load=load_tokenizer,
    )
    with console.progress_in_bytes(f"catalog {decoded.name}") as progress:
        summary = build_catalog(
            decoded,
            out,
            recipe_file=recipe_file,
            counting=counting,
            workers=workers,
            progress=progress,
        )
    for note in summary.notes:
        console.narrate(note)
    console.narrate(
        f"files: {summary.measured:,} read, {summary.reused:,} unchanged, {summary.removed:,} removed"
    )
    if summary.quarantined:
        console.narrate(
            f"{summary.quarantined:,} broken pieces: see `mixopt catalog quarantine --catalog {out}`"
        )
    return len(summary.inventory.domains)
