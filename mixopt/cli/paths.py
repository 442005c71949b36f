"""Where things are when a user does not say: the catalog, the corpus and a study's own notes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from mixopt import atomic
from mixopt.cli import console
from mixopt.errors import NotFoundError, StudyError

CATALOG_VARIABLE: Final = "MIXOPT_CATALOG"
_CATALOGS: Final = (Path("catalog.duckdb"), Path("mixopt-demo/catalog.duckdb"))
_NOTES: Final = "run.json"

CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help=f"Catalog file; by default ${CATALOG_VARIABLE}, catalog.duckdb or the demo's.",
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map", help="NAME=DOMAIN or NAME=DOMAIN+DOMAIN: what a recipe's name of data stands for."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; by default one per processor.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyNotes:
    """What a study was begun with, kept in its folder so that later commands need only that."""

    recipe: str
    catalog: str
    corpus: str
    proxy: str
    storage: str
    device: str = "cpu"
    mapped: tuple[
        str, ...
    ] = ()  # what the recipe's names of data stand for, as on the command line
    warm: tuple[str, ...] = ()  # folders of earlier studies, as on the command line


def find_catalog(given: Path | None) -> Path:
    """Return the catalog file that a command means.

    Raises:
        NotFoundError: there is none.
    """
    if given is not None:
        if not given.is_file():
            what = f"no catalog at {given}"
            raise NotFoundError(what, remedy="Build one with `mixopt catalog build RECIPE`.")
        return given
    named = os.environ.get(CATALOG_VARIABLE)
    candidates = (Path(named),) if named else _CATALOGS
    for path in candidates:
        if path.is_file():
            console.narrate(f"catalog: {path}")
            return path
    what = f"no catalog: looked for {', '.join(str(path) for path in candidates)}"
    raise NotFoundError(
        what, remedy="Name one with --catalog, or build one with `mixopt catalog build RECIPE`."
    )


def corpus_folder(catalog: Path, given: Path | None) -> Path:
    """Return the corpus folder: the one given, or `corpus` beside the catalog."""
    return given if given is not None else catalog.parent / "corpus"


def write_notes(folder: Path, notes: StudyNotes) -> None:
    """Keep the notes of a study."""
    atomic.write(folder / _NOTES, json.dumps(asdict(notes), indent=2) + "\n")


def read_notes(folder: Path) -> StudyNotes:
    """Read the notes of a study.

    Raises:
        StudyError: the folder is no study, or its notes are damaged.
    """
    path = folder / _NOTES
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(found.get(name, ())) for name in ("mapped", "warm")}
        return StudyNotes(**found | lists)
    except FileNotFoundError:
        what = f"{folder} is no study"
        raise StudyError(
            what, why=f"It has no {_NOTES}.", remedy="Begin one with `mixopt study run RECIPE`."
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        what = f"{path} is damaged"
        raise StudyError(
            what, why=str(error), remedy="Run the `mixopt study run` that made it again."
        ) from error
