"""`mixopt catalog draft`: a starting recipe from a look at the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixopt import atomic
from mixopt.cli import console
from mixopt.cli.paths import JsonOption
from mixopt.errors import CatalogError

if TYPE_CHECKING:
    from mixopt.catalog.drafting.draft import Draft

_TRUTH = {"true": True, "false": False}


def register(app: typer.Typer) -> None:
    """Add the command to the group `catalog`."""
    app.command()(draft)


def draft(
    places: Annotated[list[str], typer.Argument(help="Paths or URLs of files and folders.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write.")] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the catalog.")] = "draft",
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", help="Counts tokens, and made those of files that hold some."),
    ] = None,
    storage: Annotated[
        list[str] | None,
        typer.Option("--storage", help="NAME=VALUE, an option of the URLs' file system."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Look at files and write a starting recipe: one domain per folder and kind of documents."""
    from mixopt.catalog.drafting.draft import draft_domains  # noqa: PLC0415 - loads all readers
    from mixopt.catalog.drafting.write import draft_toml  # noqa: PLC0415

    options = tuple(sorted(_option(text) for text in storage or []))
    found = draft_domains(places, storage=options, tokenizer=tokenizer)
    _require_domains(found, places)
    if as_json:
        console.show_json(found)
        return
    folder = out.resolve().parent if out is not None else None
    text = draft_toml(found, name=name, tokenizer=tokenizer, folder=folder)
    if out is None:
        console.show_text(text)
        return
    _write(out, text)
    count = len(found.domains)
    console.narrate(f"{count} domains; look it over, then `mixopt catalog build {out}`")
    console.show_text(str(out))


def _write(path: Path, text: str) -> None:
    """Write a new recipe; one that is there may have been edited by hand."""
    if path.exists():
        what = f"{path} is there already"
        raise CatalogError(what, remedy="Choose another file (--out), or remove it.")
    try:
        atomic.write(path, text)
    except OSError as error:
        what = f"cannot write {path}"
        raise CatalogError(what, why=str(error), remedy="Choose another file (--out).") from error


def _option(text: str) -> tuple[str, str | int | bool]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        message = f"expected NAME=VALUE, found '{text}'"
        raise typer.BadParameter(message, param_hint="--storage")
    if value in _TRUTH:
        return name, _TRUTH[value]
    return name, int(value) if value.isdecimal() else value


def _require_domains(found: Draft, places: list[str]) -> None:
    if found.domains:
        return
    what = f"nothing that a catalog can be built from in {', '.join(places)}"
    raise CatalogError(
        what,
        why="\n".join(found.left_out[:20]),
        remedy="Name folders with files of texts, records or tokens.",
    )
