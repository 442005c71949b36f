"""What users' SQL may say: one statement that reads, without functions that reach further."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import duckdb

from mixopt.database.queries import load_queries
from mixopt.errors import QueryError

_OWN_QUERIES: Final = "mixopt.database.sql"
_SELECT: Final = duckdb.StatementType.SELECT
_GAP: Final = r"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_EXPLAIN: Final = re.compile(
    rf"{_GAP}*explain\b{_GAP}*(?P<analyze>analyze\b)?(?P<inner>.*)", re.IGNORECASE | re.DOTALL
)

TABLE_FUNCTIONS: Final = frozenset(
    {
        "duckdb_columns",
        "duckdb_constraints",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "pragma_table_info",
        "pragma_version",
        "range",
        "repeat",
        "repeat_row",
        "unnest",
    }
)
"""Those that may stand in FROM: all others read files, settings or addresses, or change a state."""

REFUSED_FUNCTIONS: Final = frozenset(
    {
        "current_setting",
        "currval",
        "getenv",
        "json_serialize_plan",
        "nextval",
        "pg_sleep",
        "set_config",
        "setseed",
        "setval",
        "sleep_ms",
        "truncate_duckdb_logs",
        "write_log",
    }
)
"""Those that have an effect, wait, or tell of what is outside of the databases."""

_REFUSED_TABLES: Final = frozenset({"pg_settings"})
_WRITING_NODES: Final = ("INSERT", "UPDATE", "DELETE", "MERGE")


def checked(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the statement to run: the one given, where it only reads.

    An EXPLAIN is put together anew around a SELECT that has passed, as EXPLAIN ANALYZE runs
    whatever it explains, a COPY to a file among them.

    Raises:
        QueryError: it is no SQL, more than one statement, does not read only, or calls a function
            that is refused.
    """
    statement = _single(connection, sql)
    if statement.type == duckdb.StatementType.EXPLAIN:
        match = _EXPLAIN.fullmatch(sql)
        if match is None or _single(connection, match["inner"]).type != _SELECT:
            _refuse("EXPLAIN of anything but a SELECT")
        _check_reads(connection, match["inner"])
        return f"explain {match['analyze'] or ''} {match['inner']}"
    if statement.type != _SELECT:
        _refuse(f"a statement of type {statement.type.name}")
    _check_reads(connection, sql)
    return sql


def _single(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as cause:
        what = "this is no SQL that DuckDB understands"
        raise QueryError(what, why=str(cause)) from cause
    if len(statements) != 1:
        what = f"expected one statement, found {len(statements)}"
        raise QueryError(what, remedy="Give a single SELECT.")
    return statements[0]


def _check_reads(connection: duckdb.DuckDBPyConnection, select: str) -> None:
    """Walk the syntax tree: functions and writing parts can stand anywhere in it."""
    query = load_queries(_OWN_QUERIES)["syntax_tree"]
    rows = connection.execute(query, {"sql": select}).fetchall()
    try:
        tree = json.loads(rows[0][0])
    except RecursionError as cause:
        what = "the query is nested too deeply"
        raise QueryError(what) from cause
    if tree["error"]:
        what = "the query cannot be checked"
        raise QueryError(what, why=str(tree.get("error_message", "")))
    for node in _nodes(tree):
        _check_node(node)


def _check_node(node: dict[str, Any]) -> None:
    kind = str(node.get("type", ""))
    if kind.startswith(_WRITING_NODES):
        _refuse(f"{kind.partition('_')[0]} inside a query")
    if kind == "BASE_TABLE" and str(node.get("table_name", "")).lower() in _REFUSED_TABLES:
        _refuse(f"the table {node['table_name']}")
    if kind == "TABLE_FUNCTION":
        name = _function_name(node["function"])
        if name not in TABLE_FUNCTIONS:
            _refuse(f"the function {name} in FROM")
    elif node.get("class") == "FUNCTION":
        name = _function_name(node)
        if name in REFUSED_FUNCTIONS or name.startswith("__"):
            _refuse(f"the function {name}")


def _function_name(node: dict[str, Any]) -> str:
    return str(node.get("function_name", "")).lower()


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _refuse(subject: str) -> NoReturn:
    what = f"{subject} is refused"
    raise QueryError(
        what,
        why="The catalog is open for reading, and nothing else is open at all.",
        remedy="Use SELECT, WITH, DESCRIBE, SHOW TABLES, SUMMARIZE or EXPLAIN of a SELECT "
        "(PIVOT with its values listed: `on column in (...)`).",
    )
