"""The process that runs users' SQL: opens databases to read, gives up all else, then answers.

What the engine promises is not enough: it can be brought down by nesting, counts some memory
only, and looks at its clock in some loops only. So queries run in a process of their own, with an
empty environment, that can open no file and no socket, and that its parent ends when time is up.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final

import duckdb
import pyarrow as pa

from mixopt.database.gate import checked
from mixopt.database.queries import load_queries
from mixopt.database.wire import TIME_IS_UP, Kind, receive, send
from mixopt.errors import QueryError

_OWN_QUERIES = "mixopt.database.sql"
_BATCH_ROWS: Final = 8192
_MEGABYTE: Final = 1 << 20
_AS_TEXT: Final = ("BIT", "BIGNUM", "INTERVAL", "TIME WITH", "UHUGEINT", "UNION", "VARIANT")
"""Types, by how their names begin, that Arrow or Parquet cannot hold."""


def main() -> None:
    """Answer queries until the parent is gone."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed must not get between the replies
    requests = sys.stdin.buffer
    settings = json.loads(receive(requests)[1])
    try:
        connection = open_locked(settings)
        seal(settings["limits"]["memory_megabytes"])
    except (duckdb.Error, QueryError) as cause:
        _send_error(replies, QueryError(f"{settings['path']} does not open", why=str(cause)))
        return
    send(replies, Kind.READY)
    waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    while True:
        _answer(connection, waiting.get(), replies)


def open_locked(settings: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Open the databases to read, create the views over them, and lock what can be set.

    Args:
        settings: `path`, `attached` (name -> path and label), `views` (name -> column -> type),
            `preparation` (statements that create views and macros -> their parameters) and `limits`.
    """
    limits = settings["limits"]
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": limits["threads"],
        "memory_limit": f"{limits['memory_megabytes']}MB",
        "max_execution_time": max(1, round(limits["seconds"] * 1000)),
    }
    connection = duckdb.connect(settings["path"], read_only=True, config=config)
    queries = load_queries(_OWN_QUERIES)
    for alias, attachment in settings["attached"].items():
        statement = queries["attach_database"].format(alias=_identifier(alias))
        connection.execute(statement, {"path": attachment["path"]})
    for view, columns in settings["views"].items():
        _create_union(connection, view, columns, settings["attached"])
    for statement, parameters in settings["preparation"].items():
        connection.execute(statement, parameters or None)
    connection.execute(queries["lock"])
    return connection


def seal(memory_megabytes: int) -> None:
    """Let this process open no file or socket, write to none, and take no more memory than that.

    The engine counts a part of its memory only; as much again is allowed for the rest.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statistics = Path("/proc/self/statm")
    if statistics.exists():  # elsewhere the limit is not kept, or cannot be chosen
        mapped = int(statistics.read_text().split()[0]) * resource.getpagesize()
        most = mapped + 2 * memory_megabytes * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # those that are open stay so


def _create_union(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    columns: Mapping[str, str],
    attached: Mapping[str, Mapping[str, str]],
) -> None:
    """Create one view over all attachments; identifiers cannot be bound, so they are quoted."""
    queries = load_queries(_OWN_QUERIES)
    members = [
        queries["union_member"].format(
            label=_literal(attachment["label"]), alias=_identifier(alias), table=_identifier(view)
        )
        for alias, attachment in attached.items()
        if connection.execute(queries["find_table"], {"alias": alias, "table": view}).fetchone()
    ]
    if columns:
        typed = {"study": "varchar", **columns}
        listed = ", ".join(f"null::{kind} as {_identifier(name)}" for name, kind in typed.items())
        members.insert(0, queries["union_empty"].format(columns=listed))
    if members:
        union = f" {queries['union_between']} ".join(members)
        statement = queries["create_union_view"]
        connection.execute(statement.format(view=_identifier(view), members=union))


def _listen(requests: IO[bytes], waiting: SimpleQueue[dict[str, Any]]) -> None:
    """Take requests; end the process with its parent, even in the middle of a query."""
    while True:
        try:
            _, content = receive(requests)
        except EOFError:
            os._exit(0)
        waiting.put(json.loads(content))


def _answer(
    connection: duckdb.DuckDBPyConnection, request: Mapping[str, Any], replies: IO[bytes]
) -> None:
    try:
        statement = checked(connection, request["sql"])
        relation = connection.sql(statement, params=request["parameters"] or None)
        reader = _holdable(relation).to_arrow_reader(_BATCH_ROWS)
        send(replies, Kind.SCHEMA, reader.schema.serialize().to_pybytes())
        for batch in reader:
            send(replies, Kind.BATCH, _stream(batch))
    except QueryError as error:
        _send_error(replies, error)
    except duckdb.InterruptException:
        _send_error(replies, QueryError(TIME_IS_UP))
    except Exception as cause:  # noqa: BLE001 - whatever the engine raises, the query is to blame
        _send_error(replies, _failure(cause))
    else:
        send(replies, Kind.DONE)


def _failure(cause: Exception) -> QueryError:
    text = str(cause)
    if isinstance(cause, MemoryError | duckdb.OutOfMemoryException) or "Out of Memory" in text:
        what = "the query ran out of memory"
        reason = text.partition("\n")[0]  # what follows is advice that no user here can take
        return QueryError(what, why=reason, remedy="Ask for less, or allow more (--memory).")
    what = "the query failed"
    return QueryError(what, why=text)


def _holdable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Turn columns of types that Arrow or Parquet cannot hold into text, and number equal names."""
    texts = [str(kind).startswith(_AS_TEXT) for kind in relation.types]
    names = _unique(relation.columns)
    if not any(texts) and names == relation.columns:
        return relation
    return relation.project(
        ", ".join(
            f"#{place}{'::varchar' if text else ''} as {_identifier(name)}"
            for place, (name, text) in enumerate(zip(names, texts, strict=True), start=1)
        )
    )


def _unique(names: Sequence[str]) -> list[str]:
    """Number the names that stand more than once: a, a_1."""
    given: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        given[next(each for each in chain([name], numbered) if each not in given)] = None
    return list(given)


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _send_error(replies: IO[bytes], error: QueryError) -> None:
    content = {"what": error.what, "why": error.why, "remedy": error.remedy}
    send(replies, Kind.ERROR, json.dumps(content).encode())


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
