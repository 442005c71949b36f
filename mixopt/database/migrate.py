"""Schema versions: numbered `.sql` files that bring a database file up to date, one by one."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import duckdb

from mixopt.database.queries import load_queries, sql_files

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_OWN_QUERIES = "mixopt.database.sql"


@cache
def load_migrations(package: str) -> tuple[str, ...]:
    """Return the migrations in `<package>.migrations`, `0001_...sql` first.

    Raises:
        ValueError: a file is not named `0001_what_it_does.sql`, or a number is missing or double.
    """
    statements: list[str] = []
    for name, text in sql_files(files(package) / "migrations"):
        match = _FILE.fullmatch(name)
        expected = len(statements) + 1
        if match is None or int(match[1]) != expected:
            message = f"{package}: expected a migration {expected:04d}_....sql, found {name}"
            raise ValueError(message)
        statements.append(text)
    return tuple(statements)


def latest_version(package: str) -> int:
    """Return the schema version that this release of the package writes."""
    return len(load_migrations(package))


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the schema version of an open database; 0 if it was never migrated."""
    queries = load_queries(_OWN_QUERIES)
    if not connection.execute(queries["find_version_table"]).fetchall():
        return 0
    ((version,),) = connection.execute(queries["read_version"]).fetchall()
    return int(version or 0)


def migrate(connection: duckdb.DuckDBPyConnection, package: str) -> int:
    """Apply the migrations that a database lacks, each in a transaction of its own.

    A migration that fails leaves the database as the one before it left it.

    Returns:
        The schema version after it.
    """
    queries = load_queries(_OWN_QUERIES)
    connection.execute(queries["create_version_table"])
    present = schema_version(connection)
    for version, statement in enumerate(load_migrations(package), start=1):
        if version <= present:
            continue
        connection.begin()
        try:
            connection.execute(statement)
            connection.execute(queries["record_version"], {"version": version})
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    return schema_version(connection)
