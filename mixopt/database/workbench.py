"""A new database file that is filled from other databases, which are attached for reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from mixopt.database.connection import Database
from mixopt.database.queries import load_queries

_OWN_QUERIES = "mixopt.database.sql"
_PLACE = re.compile(r"\{([a-z_]+)\}")


class Workbench(Database):
    """A database being filled; a context manager, as `Database`.

    Work that does not fit into memory goes to a folder beside the file. Once `lock` was called,
    statements reach the file, the attached databases and that folder, and nothing else.

    Args:
        path: the file; created if there is none.
        package: where the migrations are, such as `mixopt.catalog.sql`.
        queries: where the named queries are.
        scratch: the folder for what does not fit into memory; made when it is needed.
        memory_megabytes: how much memory statements may use, about.
    """

    def __init__(
        self, path: Path, *, package: str, queries: str, scratch: Path, memory_megabytes: int
    ) -> None:
        settings = {"memory_limit": f"{memory_megabytes}MB", "temp_directory": str(scratch)}
        super().__init__(path, "write", package=package, settings=settings)
        self._queries = load_queries(queries)

    def attach(self, alias: str, path: Path) -> None:
        """Attach a database file for reading.

        Raises:
            CatalogError: it does not open.
        """
        statement = load_queries(_OWN_QUERIES)["attach_database"]
        with self._reported(f"attach {path}"):
            filled = statement.format(alias=quote_identifier(alias))
            self._connection.execute(filled, {"path": str(path)})

    def lock(self) -> None:
        """Deny statements all further files, the network, extensions and settings."""
        with self._reported("lock"):
            self._connection.execute(load_queries(_OWN_QUERIES)["lock_workbench"])

    def run(self, name: str, pieces: Mapping[str, str], /, **params: object) -> None:
        """Run a named query with pieces of SQL in the places of `{their_names}`.

        Pieces are identifiers that `quote_identifier` quoted, lists of them, and conditions that
        were checked to be single expressions.
        """
        with self._reported(name):
            self._connection.execute(self._filled(name, pieces), params or None)

    def insert(self, name: str, rows: pa.Table, /, **params: object) -> None:
        """Run a named query that reads the table as the view `rows`; without rows, do nothing."""
        if len(rows):
            with self.lending("rows", rows):
                self.execute(name, **params)

    def batches(self, name: str, size: int, /, **params: object) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a named query in batches; nothing else may run until all are read."""
        with self._reported(name):
            result = self._connection.sql(self._queries[name], params=params or None)
            yield from result.to_arrow_reader(size)

    def columns(self, alias: str, table: str) -> dict[str, str]:
        """Return the type of every column of a table of an attached database."""
        statement = load_queries(_OWN_QUERIES)["list_table_columns"]
        with self._reported("list_table_columns"):
            rows: list[Any] = self._connection.execute(
                statement, {"alias": alias, "table": table}
            ).fetchall()
        return {str(name): str(kind) for name, kind in rows}

    def _filled(self, name: str, pieces: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda match: pieces[match[1]], self._queries[name])


def quote_identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
