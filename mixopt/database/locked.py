"""SQL written by users, run so that it can read the attached databases and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Final, NoReturn

import duckdb
import pyarrow as pa

from mixopt.database.migrate import load_migrations
from mixopt.database.queries import load_queries
from mixopt.database.wire import TIME_IS_UP, Kind, receive, send
from mixopt.errors import NotFoundError, QueryError

_PROCESS: Final = "mixopt.database.confined"
_OWN_QUERIES: Final = "mixopt.database.sql"
_GRACE_SECONDS: Final = 1.0  # at most, in which the engine may notice that time is up
_MEGABYTE: Final = 1 << 20


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
class Answer:
    """What a query returns, while it comes in.

    Attributes:
        schema: names and types of the columns; every name stands once.
        batches: the rows, in order; reading them can raise `QueryError`.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one statement may use.

    Attributes:
        seconds: running time.
        memory_megabytes: memory of the engine, and of a result that is not streamed; nothing is
            spilled to disk.
        threads: threads.
        rows: rows of a result that is not streamed.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What a query can read.

    Attributes:
        path: the database whose tables have plain names.
        attached: further databases by the schema name that they get, such as `study1`.
        views: tables to read from all attached databases at once: each becomes a view that adds
            the column `study`, over those attached databases that have the table. Columns and
            their types, where given, are there even if no attached database has them.
        preparation: statements that create temporary views and macros, with their parameters.
    """

    path: Path
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    views: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    preparation: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


class LockedConnection:
    """Runs single reading statements in a process of their own; made by `locked_connection`."""

    def __init__(self, opening: Opening, limits: Limits) -> None:
        self._opening = opening
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._answering = False

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> Table:
        """Run one statement that reads: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.

        Args:
            sql: the statement.
            parameters: values of `$name` in it.

        Raises:
            QueryError: it is another kind of statement, more than one, wrong, or over a limit.
        """
        with self.stream(sql, parameters) as answer:
            batches = bounded(answer, self._limits).batches
            rows = tuple(row for batch in batches for row in rows_of(batch))
            return Table(columns=tuple(answer.schema.names), rows=rows)

    @contextmanager
    def stream(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[Answer]:
        """Run one statement as `query` does, and give its rows as they come.

        Time runs until the block ends; rows that are not read by then are given up.

        Raises:
            QueryError: as for `query`.
        """
        process = self.start()
        late = threading.Event()
        seconds = self._limits.seconds
        clock = threading.Timer(seconds + min(seconds, _GRACE_SECONDS), _stop, (process, late))
        clock.daemon = True
        clock.start()
        self._answering = True
        try:
            request = {"sql": sql, "parameters": dict(parameters or {})}
            self._send(process, request)
            schema = pa.ipc.read_schema(pa.py_buffer(self._receive(process, late)))
            yield Answer(schema=schema, batches=self._batches(process, late))
        finally:
            clock.cancel()
            if self._answering:
                self.close()

    def close(self) -> None:
        """End the process, and with it what it does; a later query starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                _pipe(pipe).close()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process that opens the databases, unless it runs.

        Raises:
            QueryError: a file does not open, or the views over it cannot be made.
        """
        if self._process is None:
            self._process = process = _start()
            self._answering = True
            self._send(process, _settings(self._opening, self._limits))
            self._receive(process, threading.Event())
            self._answering = False
        return self._process

    def _send(self, process: subprocess.Popen[bytes], request: Mapping[str, object]) -> None:
        with suppress(BrokenPipeError):  # what is received next says that the process is gone
            send(_pipe(process.stdin), Kind.QUERY, json.dumps(request, default=str).encode())

    def _receive(self, process: subprocess.Popen[bytes], late: threading.Event) -> bytes | None:
        """Return the content of the next message; None after the last."""
        try:
            kind, content = receive(_pipe(process.stdout))
        except EOFError:
            raise self._ended(process, late) from None
        if kind is Kind.ERROR:
            self._answering = False
            told = json.loads(content)
            if told["what"] == TIME_IS_UP:
                raise self._overtime()
            raise QueryError(told["what"], why=told["why"], remedy=told["remedy"])
        if kind is Kind.DONE:
            self._answering = False
            return None
        return content

    def _batches(
        self, process: subprocess.Popen[bytes], late: threading.Event
    ) -> Iterator[pa.RecordBatch]:
        while (content := self._receive(process, late)) is not None:
            with pa.ipc.open_stream(content) as reader:
                yield from reader

    def _ended(self, process: subprocess.Popen[bytes], late: threading.Event) -> QueryError:
        """Say why the process is gone."""
        with suppress(subprocess.TimeoutExpired):  # its own code says more than that of our kill
            process.wait(_GRACE_SECONDS)
        self.close()
        if late.is_set():
            return self._overtime()
        what = "the query brought the database engine down"
        return QueryError(
            what,
            why=f"Its process ended with code {process.returncode}: out of memory (it may take "
            f"{self._limits.memory_megabytes:,} MB), or nested too deeply.",
            remedy="Ask for less. Nothing was written.",
        )

    def _overtime(self) -> QueryError:
        what = "the query was stopped"
        return QueryError(
            what,
            why=f"It ran longer than {self._limits.seconds:g} seconds.",
            remedy="Ask for less: filter earlier, or aggregate; or allow more (--seconds).",
        )


@contextmanager
def locked_connection(
    opening: Opening, *, limits: Limits | None = None
) -> Iterator[LockedConnection]:
    """Open databases read-only, without access to files, network, extensions or settings.

    Raises:
        NotFoundError: a file does not exist.
        QueryError: a file does not open.
    """
    for file in (opening.path, *(attachment.path for attachment in opening.attached.values())):
        if not file.is_file():
            what = f"no such file: {file}"
            raise NotFoundError(what, remedy="Check the path.")
    connection = LockedConnection(opening, limits or Limits())
    try:
        connection.start()
        yield connection
    finally:
        connection.close()


def bounded(answer: Answer, limits: Limits) -> Answer:
    """Return the answer, which raises `QueryError` once it is larger than the limits allow."""

    def batches() -> Iterator[pa.RecordBatch]:
        num_rows = num_bytes = 0
        for batch in answer.batches:
            num_rows += len(batch)
            num_bytes += batch.nbytes
            if num_rows > limits.rows:
                _refuse(f"It has more than {limits.rows:,} rows.")
            if num_bytes > limits.memory_megabytes * _MEGABYTE:
                _refuse(f"It takes more than {limits.memory_megabytes:,} MB.")
            yield batch

    return replace(answer, batches=batches())


def rows_of(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    """Return the rows of a batch as Python values: sums of whole numbers whole, maps as mappings.

    Raises:
        QueryError: a value has no counterpart, such as a date of infinity.
    """
    try:
        columns = [
            [_value(each) for each in column.to_pylist(maps_as_pydicts="lossy")]
            for column in batch.columns
        ]
    except (OverflowError, ValueError) as cause:
        what = "the result holds a value that cannot be shown"
        raise QueryError(what, why=str(cause), remedy="Cast it: `value::varchar`.") from cause
    return list(zip(*columns, strict=True))


def table_columns(package: str) -> dict[str, dict[str, str]]:
    """Return what the migrations of a package make: table or view -> column -> type."""
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect(":memory:") as connection:
        for migration in load_migrations(package):
            connection.execute(migration)
        query = load_queries(_OWN_QUERIES)["list_columns"]
        for table, column, kind in connection.execute(query).fetchall():
            found.setdefault(table, {})[column] = kind
    return found


def _start() -> subprocess.Popen[bytes]:
    """Start the process in a session of its own, where no Ctrl-C reaches it, and with no secrets."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", _PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": paths},
        start_new_session=True,
    )


def _settings(opening: Opening, limits: Limits) -> dict[str, object]:
    return {
        "path": str(opening.path.resolve()),
        "attached": {
            alias: {"path": str(attachment.path.resolve()), "label": attachment.label}
            for alias, attachment in opening.attached.items()
        },
        "views": {view: dict(columns) for view, columns in opening.views.items()},
        "preparation": dict(opening.preparation),
        "limits": asdict(limits),
    }


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        message = "the process has no pipe"
        raise RuntimeError(message)
    return pipe


def _refuse(why: str) -> NoReturn:
    what = "the result is too large"
    raise QueryError(what, why=why, remedy="Add a `limit`, aggregate, or write a file (--out).")


def _value(value: object) -> object:
    """Return whole decimals, which sums of whole numbers come as, as whole numbers."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    return value
