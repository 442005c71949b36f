"""Conditions in SQL, written by users: checked, and held against batches without any other access."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixopt.database.queries import load_queries
from mixopt.errors import QueryError

_OWN_QUERIES = "mixopt.database.sql"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "1GB",
    "max_execution_time": 60_000,  # milliseconds, of one batch
}
_REFUSED: Mapping[str, str] = {
    "PARAMETER": "a parameter",
    "STAR": "a star",
    "SUBQUERY": "a query within the condition",
    "WINDOW": "a window over other rows",
}


class Condition:
    """A condition that rows of a batch meet or do not.

    Args:
        where: the condition, such as `bytes > 1000 and language = 'en'`.
        columns: SQL type of each column that it may name.

    Raises:
        QueryError: it is no condition over these columns; see `check_condition`.
    """

    def __init__(self, where: str, columns: Mapping[str, str]) -> None:
        fault = check_condition(where, columns)
        if fault:
            raise QueryError(_faulty(where), why=fault)
        self.where = where
        named = {name.lower() for names in _names(_parsed(where)) for name in names}
        self.columns = frozenset(name for name in columns if name.lower() in named)
        self._connection = _locked()
        self._statement = load_queries(_OWN_QUERIES)["hold_condition"].format(condition=where)

    def holds(self, batch: pa.Table) -> NDArray[np.bool_]:
        """Return which rows meet the condition; where it is null, they do not.

        Args:
            batch: rows with at least the columns that the condition names.

        Raises:
            QueryError: the condition fails on a row, such as at a text that is no number.
        """
        try:
            self._connection.register("batch", batch)
            found = self._connection.execute(self._statement).fetchnumpy()["holds"]
            self._connection.unregister("batch")
        except duckdb.Error as cause:
            remedy = "Say what becomes of such rows, as with `try_cast(... as integer)`."
            raise QueryError(_faulty(self.where), why=str(cause), remedy=remedy) from cause
        return np.asarray(found, dtype=np.bool_)


def check_condition(where: str, columns: Mapping[str, str]) -> str:
    """Return what is wrong with a condition over columns of these SQL types; nothing if it is right.

    It is one expression that is true or false, and that depends on its row alone: not on other
    rows, on chance, or on the moment.
    """
    try:
        expression = _parsed(where)
    except QueryError as error:
        return error.why
    known = {name.lower() for name in columns}
    return _unfit(expression, known) or _binding_fault(where, columns)


def _parsed(where: str) -> dict[str, Any]:
    """Return the syntax tree of a condition.

    Raises:
        QueryError: it is not one expression.
    """
    statement = load_queries(_OWN_QUERIES)["parse_condition"]
    try:
        row = _locked_for_checks().execute(statement, {"condition": where}).fetchone()
    except duckdb.Error as cause:
        raise QueryError(_faulty(where), why=str(cause)) from cause
    tree = json.loads(row[0] if row else "{}")
    if tree.get("error", True):
        raise QueryError(_faulty(where), why=str(tree.get("error_message", "it does not parse")))
    nodes = [each["node"] for each in tree["statements"]]
    # Brackets that close too early make one condition into several, or begin a clause.
    if len(nodes) != 1 or not _is_bare(nodes[0]):
        raise QueryError(_faulty(where), why="it is not one expression")
    expression: dict[str, Any] = nodes[0]["select_list"][0]
    return expression


def _is_bare(node: Mapping[str, Any]) -> bool:
    """Return whether a query is nothing but `select` and one expression."""
    if node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1:
        return False
    clauses = ("where_clause", "group_expressions", "having", "sample", "qualify", "modifiers")
    return node["from_table"]["type"] == "EMPTY" and not any(node.get(each) for each in clauses)


def _unfit(expression: dict[str, Any], known: set[str]) -> str:
    for node in _nodes(expression):
        if node["class"] in _REFUSED:
            return f"it holds {_REFUSED[node['class']]}; it may look at one row only"
    if any(names[0].lower() == "batch" and len(names) > 1 for names in _names(expression)):
        return "it names a table; columns stand by themselves"
    unstable = _unstable_functions()
    called = {str(node.get("function_name")).lower() for node in _nodes(expression)}
    # Some, such as current_date, are written as columns are.
    called |= {names[0].lower() for names in _names(expression) if len(names) == 1} - known
    if called & unstable:
        return f"it calls {min(called & unstable)}, which is not the same in every build"
    return ""


def _binding_fault(where: str, columns: Mapping[str, str]) -> str:
    queries = load_queries(_OWN_QUERIES)
    listed = ", ".join(f"{_identifier(name)} {kind}" for name, kind in columns.items())
    connection = _locked_for_checks()
    try:
        connection.execute(queries["create_batch"].format(columns=listed))
        result = connection.execute(queries["bind_condition"].format(condition=where))
    except duckdb.Error as cause:
        reason = str(cause).split("\n", 1)[0].rpartition("Error: ")[2]
        return f"{reason.rstrip('!')}; the columns are {', '.join(columns)}"
    kind = str(result.description[0][1])
    return "" if kind == "BOOLEAN" else f"it is of type {kind}, not true or false"


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Yield the expressions of a syntax tree."""
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    if isinstance(tree, dict) and "class" in tree:
        yield tree
    for each in inner:
        yield from _nodes(each)


def _names(expression: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the names of columns, each with those of what it lies in or what lies in it."""
    for node in _nodes(expression):
        if node["class"] == "COLUMN_REF":
            yield node["column_names"]


@cache
def _unstable_functions() -> frozenset[str]:
    statement = load_queries(_OWN_QUERIES)["list_unstable_functions"]
    return frozenset(name for (name,) in _locked_for_checks().execute(statement).fetchall())


@cache
def _locked_for_checks() -> duckdb.DuckDBPyConnection:
    return _locked()


def _locked() -> duckdb.DuckDBPyConnection:
    """Return a connection to a new database in memory that can reach nothing else."""
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.execute(load_queries(_OWN_QUERIES)["lock"])
    return connection


def _faulty(where: str) -> str:
    return f"the condition `{where}` cannot be used"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
