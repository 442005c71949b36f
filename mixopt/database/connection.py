"""Open database files: named queries in, rows out, and every fault of the file as a clear error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self

import duckdb
import pyarrow as pa

from mixopt.database.migrate import latest_version, migrate, schema_version
from mixopt.database.queries import load_queries
from mixopt.errors import CatalogError, MixoptError, NotFoundError

Mode = Literal["read", "write"]
Row = dict[str, Any]
Settings = Mapping[str, str | bool | int | float | list[str]]

_OWN_QUERIES = "mixopt.database.sql"
_IN_USE: Final = "is in use"
_NO_SETTINGS: Final[Settings] = MappingProxyType({})


class Database:
    """An open database file with the named queries of one package; a context manager.

    Args:
        path: the file; created in mode `write` if there is none.
        mode: `read` opens an existing file read-only; `write` also brings its schema up to date.
        package: where the queries and migrations are, such as `mixopt.catalog.sql`.
        error: the class of the error that faults of the file are reported with.
        settings: of DuckDB, such as `memory_limit` and `temp_directory`.

    Raises:
        NotFoundError: there is no such file (mode `read`).
        MixoptError: of class `error`: the file is locked, damaged, or of another schema version.
    """

    def __init__(
        self,
        path: Path,
        mode: Mode,
        *,
        package: str,
        error: type[MixoptError] = CatalogError,
        settings: Settings = _NO_SETTINGS,
    ) -> None:
        self.path = path
        self._error = error
        self._queries = load_queries(package)
        if mode == "read" and not path.is_file():
            what = f"no such file: {path}"
            raise NotFoundError(what, remedy="Check the path, or build it.")
        try:
            self._connection = duckdb.connect(
                str(path), read_only=mode == "read", config=dict(settings)
            )
        except duckdb.Error as cause:
            raise _opening_error(path, cause, error) from cause
        try:
            self._check_version(mode, package)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was executed outside of a transaction is on disk by then."""
        self._connection.close()

    def fetch(self, name: str, /, **params: object) -> list[Row]:
        """Return the rows of a named query as mappings from column to value."""
        with self._reported(name):
            result = self._connection.execute(self._queries[name], params or None)
            columns = [column[0] for column in result.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def fetch_table(self, name: str, /, **params: object) -> pa.Table:
        """Return the rows of a named query as an Arrow table."""
        with self._reported(name):
            result = self._connection.sql(self._queries[name], params=params or None)
            return result.to_arrow_table()

    def execute(self, name: str, /, **params: object) -> None:
        """Run a named query for its effect."""
        with self._reported(name):
            self._connection.execute(self._queries[name], params or None)

    def insert_many(self, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows by a named query in one statement.

        Each column is bound as one list, which is some hundred times as fast as row by row; the
        query takes them apart: `insert into t select unnest($a::varchar[]), unnest($b::bigint[])`.
        """
        if not rows:
            return
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        self.execute(name, **columns)

    @contextmanager
    def lending(self, view: str, rows: pa.Table) -> Iterator[None]:
        """Let named queries read an Arrow table as a view of that name inside the block.

        Nothing is copied: `insert into t by name select * from view` takes the columns as they are.
        """
        self._connection.register(view, rows)
        try:
            yield
        finally:
            self._connection.unregister(view)

    def add_column(self, table: str, column: str, kind: str) -> None:
        """Add a column of a type to a table; nothing happens where it is there."""
        statement = load_queries(_OWN_QUERIES)["add_column"]
        with self._reported("add_column"):
            self._connection.execute(
                statement.format(table=_identifier(table), column=_identifier(column), kind=kind)
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is executed inside the block, or, if it raises, nothing of it."""
        with self._reported("begin"):
            self._connection.begin()
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # After a full disk nothing can be done any more.
                self._connection.rollback()
            raise
        with self._reported("commit"):
            self._connection.commit()

    def _check_version(self, mode: Mode, package: str) -> None:
        newest = latest_version(package)
        with self._reported("schema version"):
            found = schema_version(self._connection)
        if found > newest:
            what = f"{self.path} was written by a newer mixopt"
            raise self._error(
                what,
                why=f"Its schema version is {found}; this mixopt knows versions up to {newest}.",
                remedy="Upgrade mixopt, or build the file again.",
            )
        if mode == "write":
            with self._reported("migration"):
                migrate(self._connection, package)
        elif found < newest:
            kind = "no file of mixopt" if found == 0 else "of an older mixopt"
            what = f"{self.path} is {kind}"
            raise self._error(
                what,
                why=f"Its schema version is {found}; version {newest} is needed.",
                remedy="Build the file again.",
            )

    @contextmanager
    def _reported(self, name: str) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as cause:
            what = f"{self.path}: '{name}' failed"
            raise self._error(
                what,
                why=str(cause),
                remedy="Check the free space; if the file is damaged, build it again.",
            ) from cause


def is_outdated(path: Path, package: str) -> bool:
    """Return whether a file was written by an older mixopt; not where it cannot be read at all."""
    if not path.is_file():
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return 0 < schema_version(connection) < latest_version(package)
    except duckdb.Error:
        return False


def is_in_use(error: MixoptError) -> bool:
    """Return whether a file did not open because another process, or this one, has it open."""
    return error.what.endswith(_IN_USE)


def _opening_error(path: Path, cause: duckdb.Error, error: type[MixoptError]) -> MixoptError:
    """Say why a file does not open, in the user's terms."""
    text = str(cause)
    if "lock" in text or "different configuration" in text:
        return error(
            f"{path} {_IN_USE}",
            why=f"Another process, or this one, has it open. {text}",
            remedy="Wait until it is done, or stop it.",
        )
    return error(
        f"{path} does not open: it is damaged or no database",
        why=text,
        remedy="Build it again, or restore it from a copy.",
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
