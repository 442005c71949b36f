"""SQL written by users, run so that it can read the attached databases and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mixopt.database.queries import load_queries
from mixopt.errors import NotFoundError, QueryError

_OWN_QUERIES = "mixopt.database.sql"
_READING = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What a query returns.

    Attributes:
        columns: names, in order.
        rows: values in the order of the columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one statement may use.

    Attributes:
        seconds: running time.
        memory_megabytes: memory; nothing is spilled to disk.
        threads: threads.
        rows: rows of the result.
    """

    seconds: float = 60.0
    memory_megabytes: int = 2048
    threads: int = 2
    rows: int = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A further database that a query can read.

    Attributes:
        path: the file.
        label: the value of the column `study` in views over all attachments.
    """

    path: Path
    label: str


class LockedConnection:
    """A connection that runs single reading statements; made by `locked_connection`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits

    def query(self, sql: str) -> Table:
        """Run one statement that reads: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.

        Raises:
            QueryError: it is another kind of statement, more than one, wrong, or over a limit.
        """
        statement = _single_reading_statement(sql)
        try:
            result = self._connection.execute(statement)
            rows = result.fetchmany(self._limits.rows + 1)
        except duckdb.InterruptException as cause:
            what = "the query was stopped"
            raise QueryError(
                what,
                why=f"It ran longer than {self._limits.seconds:g} seconds.",
                remedy="Ask for less: filter earlier, or aggregate.",
            ) from cause
        except duckdb.Error as cause:
            what = "the query failed"
            raise QueryError(what, why=str(cause)) from cause
        if len(rows) > self._limits.rows:
            what = "the result is too large"
            raise QueryError(
                what,
                why=f"It has more than {self._limits.rows:,} rows.",
                remedy="Add a `limit`, or aggregate.",
            )
        return Table(columns=tuple(column[0] for column in result.description), rows=tuple(rows))


@contextmanager
def locked_connection(
    path: Path,
    *,
    attached: Mapping[str, Attachment] | None = None,
    views: Sequence[str] = (),
    limits: Limits | None = None,
) -> Iterator[LockedConnection]:
    """Open a database read-only, without access to files, network, extensions or settings.

    Args:
        path: the database whose tables have plain names.
        attached: further databases by the schema name that they get, such as `study1`.
        views: tables to read from all attached databases at once: each becomes a view that adds
            the column `study`, over those attached databases that have the table.
        limits: what one statement may use.

    Raises:
        NotFoundError: a file does not exist.
        QueryError: a file does not open.
    """
    limits = limits or Limits()
    attached = attached or {}
    for file in (path, *(attachment.path for attachment in attached.values())):
        if not file.is_file():
            what = f"no such file: {file}"
            raise NotFoundError(what, remedy="Check the path.")
    try:
        connection = _connect(path, limits)
    except duckdb.Error as cause:
        what = f"{path} does not open"
        raise QueryError(what, why=str(cause)) from cause
    with connection:
        try:
            _attach(connection, attached)
            _create_views(connection, attached, views)
            connection.execute(load_queries(_OWN_QUERIES)["lock"])
        except duckdb.Error as cause:
            what = f"{path}: cannot prepare the query"
            raise QueryError(what, why=str(cause)) from cause
        yield LockedConnection(connection, limits)


def _connect(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": limits.threads,
        "memory_limit": f"{limits.memory_megabytes}MB",
        "max_execution_time": max(1, round(limits.seconds * 1000)),
    }
    return duckdb.connect(str(path), read_only=True, config=settings)


def _attach(connection: duckdb.DuckDBPyConnection, attached: Mapping[str, Attachment]) -> None:
    statement = load_queries(_OWN_QUERIES)["attach_database"]
    for alias, attachment in attached.items():
        filled = statement.format(alias=_identifier(alias))
        connection.execute(filled, {"path": str(attachment.path)})


def _create_views(
    connection: duckdb.DuckDBPyConnection,
    attached: Mapping[str, Attachment],
    views: Sequence[str],
) -> None:
    """Create the views over all attachments; identifiers cannot be bound, so they are quoted."""
    queries = load_queries(_OWN_QUERIES)
    for view in views:
        members = [
            queries["union_member"].format(
                label=_literal(attachment.label), alias=_identifier(alias), table=_identifier(view)
            )
            for alias, attachment in attached.items()
            if connection.execute(queries["find_table"], {"alias": alias, "table": view}).fetchone()
        ]
        if members:
            union = f" {queries['union_between']} ".join(members)
            statement = queries["create_union_view"]
            connection.execute(statement.format(view=_identifier(view), members=union))


def _single_reading_statement(sql: str) -> duckdb.Statement:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as cause:
        what = "this is no SQL that DuckDB understands"
        raise QueryError(what, why=str(cause)) from cause
    if len(statements) != 1:
        what = f"expected one statement, found {len(statements)}"
        raise QueryError(
            what,
            remedy="Give a single SELECT.",
        )
    if statements[0].type not in _READING:
        what = f"a statement of type {statements[0].type.name} is refused"
        raise QueryError(
            what,
            why="The catalog is open for reading only.",
            remedy="Use SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.",
        )
    return statements[0]


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
