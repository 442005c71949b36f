"""SQL over a catalog and the ledgers of studies, without access to anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from mixopt.catalog.dictionary import read_meanings
from mixopt.database.connection import is_outdated
from mixopt.database.locked import (
    Answer,
    Attachment,
    Limits,
    LockedConnection,
    Opening,
    Table,
    bounded,
    locked_connection,
    rows_of,
    table_columns,
)
from mixopt.database.migrate import load_migrations
from mixopt.database.queries import load_queries, sql_files
from mixopt.errors import QueryError

__all__ = [
    "Answer",
    "Limits",
    "LockedConnection",
    "Studies",
    "Table",
    "bounded",
    "open_query",
    "rows_of",
    "run_query",
]

_SCHEMA: Final = "mixopt.catalog.sql"
_CONSOLE: Final = "mixopt.catalog.sql.console"
_OF_STUDIES: Final = ("view_results", "view_trial_mixtures", "view_doses")
_HIDDEN: Final = ("identity", "schema_version")


@dataclass(frozen=True, kw_only=True, slots=True)
class Studies:
    """Ledgers that queries can read.

    Attributes:
        package: where the migrations of ledgers are, which say what tables a ledger has.
        ledgers: their files, attached as `study1`, `study2`, ...; every table of theirs is a view
            over all of them, whose column `study` is the name of the ledger's folder. Without any,
            the views are empty.
    """

    package: str
    ledgers: Sequence[Path] = ()


@contextmanager
def open_query(
    catalog_path: Path, *, studies: Studies | None = None, limits: Limits | None = None
) -> Iterator[LockedConnection]:
    """Open a catalog and the ledgers of studies for reading statements.

    Args:
        catalog_path: the catalog; its tables have plain names.
        studies: ledgers; None leaves out the views over them.
        limits: what a statement may use.

    Raises:
        NotFoundError: a file does not exist.
        QueryError: a file does not open, or an older mixopt wrote the catalog.
    """
    if is_outdated(catalog_path, _SCHEMA):
        what = f"{catalog_path} is of an older mixopt"
        raise QueryError(what, remedy="Build it again: `mixopt catalog build RECIPE`.")
    ledgers = studies.ledgers if studies else ()
    opening = Opening(
        path=catalog_path,
        attached={
            f"study{number}": Attachment(path=path, label=path.resolve().parent.name)
            for number, path in enumerate(ledgers, start=1)
        },
        views=_views_of(studies),
        preparation=_preparation(studies),
    )
    with locked_connection(opening, limits=limits) as connection:
        yield connection


def run_query(
    catalog_path: Path,
    sql: str,
    *,
    parameters: Mapping[str, object] | None = None,
    studies: Studies | None = None,
    limits: Limits | None = None,
) -> Table:
    """Run one reading statement over a catalog.

    Args:
        catalog_path: the catalog.
        sql: a single SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN of a SELECT.
        parameters: values of `$name` in it.
        studies: ledgers to read as well.
        limits: what the statement may use.

    Raises:
        NotFoundError: a file does not exist.
        QueryError: the statement is refused, wrong or over a limit.
    """
    with open_query(catalog_path, studies=studies, limits=limits) as connection:
        return connection.query(sql, parameters)


def _views_of(studies: Studies | None) -> dict[str, dict[str, str]]:
    if studies is None:
        return {}
    tables = table_columns(studies.package)
    return {name: columns for name, columns in tables.items() if name not in _HIDDEN}


def _preparation(studies: Studies | None) -> dict[str, Mapping[str, object]]:
    """Return the statements that make views and functions, with their parameters."""
    queries = load_queries(_CONSOLE)
    texts = [*load_migrations(_SCHEMA), *(text for _, text in sql_files(files(_CONSOLE)))]
    if studies:
        texts += load_migrations(studies.package)
    meanings = read_meanings(texts)
    noted = {
        "relations": [meaning.relation for meaning in meanings],
        "names": [meaning.name for meaning in meanings],
        "meanings": [meaning.meaning for meaning in meanings],
    }
    return {
        statement: noted if name == "meanings" else {}
        for name, statement in queries.items()
        if studies or name not in _OF_STUDIES
    }
