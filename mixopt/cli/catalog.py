"""`mixopt catalog`: build, show, sql."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.catalog.inventory import read_inventory
from mixopt.catalog.query import Limits, run_query
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.catalog.scan import CatalogSummary, build_catalog
from mixopt.cli import console
from mixopt.cli.paths import CatalogOption, JsonOption, find_catalog
from mixopt.corpus.conversations import render_document
from mixopt.corpus.tokenizer import load_tokenizer
from mixopt.errors import NotFoundError
from mixopt.recipes.decode import read
from mixopt.recipes.locate import locate
from mixopt.recipes.quantity import show_quantity
from mixopt.study.ledger import FILE as LEDGER_FILE


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(build)
    app.command()(show)
    app.command()(sql)
    parent.add_typer(app, name="catalog")


def build(
    recipe: Annotated[str, typer.Argument(help="Catalog recipe: a path or a shipped name.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("catalog.duckdb"),
) -> None:
    """Scan the sources of a recipe into one DuckDB file."""
    summary = build_file(recipe, out)
    console.show_text(f"{summary.path}: {len(summary.inventory.domains)} domains")


def build_file(recipe: str, out: Path) -> CatalogSummary:
    """Build a catalog, with a progress bar."""
    recipe_file = locate(recipe, "catalogs")
    decoded = read(recipe_file, CatalogRecipe)
    tokenizer = load_tokenizer(decoded.tokenizer)
    out.parent.mkdir(parents=True, exist_ok=True)
    with console.progress(f"catalog {decoded.name}: documents", None) as advance:
        summary = build_catalog(
            decoded,
            out,
            recipe_file=recipe_file,
            counter=tokenizer,
            render=render_document,
            progress=lambda _, count: advance(count),
        )
    console.narrate(f"{summary.shards:,} shards, {summary.quarantined:,} pieces in quarantine")
    return summary


def show(catalog: CatalogOption = None, *, as_json: JsonOption = False) -> None:
    """Show what each domain holds."""
    inventory = read_inventory(find_catalog(catalog))
    rows = [
        (
            domain.name,
            domain.provenance,
            domain.schema,
            domain.documents,
            domain.num_bytes,
            domain.sample_tokens,
            domain.supply_tokens,
        )
        for domain in inventory.domains
    ]
    columns = (
        "domain",
        "provenance",
        "schema",
        "documents",
        "bytes",
        "train tokens",
        "supply tokens",
    )
    total = sum(domain.supply_tokens for domain in inventory.domains)
    title = (
        f"{inventory.catalog}: supply {show_quantity(total)} tokens ({inventory.tokenizer}), "
        f"content {inventory.content_hash}"
    )
    console.show_table(columns, rows, as_json=as_json, title=title)


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT statement.")],
    catalog: CatalogOption = None,
    study: Annotated[
        list[Path] | None, typer.Option("--study", help="Study folders to query as well.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Time limit.")] = 60.0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Run a SELECT over domains, shards and, with --study, trials, runs, measures and weights."""
    ledgers = [_ledger(folder) for folder in study or []]
    table = run_query(find_catalog(catalog), query, ledgers=ledgers, limits=Limits(seconds=seconds))
    console.show_table(table.columns, table.rows, as_json=as_json)


def _ledger(folder: Path) -> Path:
    path = folder / LEDGER_FILE
    if not path.is_file():
        what = f"{folder} holds no study results"
        raise NotFoundError(what, remedy="Name the folder of a study (--folder of `study run`).")
    return path
