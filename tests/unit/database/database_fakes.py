"""A package of SQL files in a temporary folder, as a floor of mixopt has one."""

from __future__ import annotations

from pathlib import Path

QUERIES = """
-- name: insert_point
insert into points values ($x, $label);

-- name: insert_points
insert into points select unnest($x::bigint[]), unnest($label::varchar[]);

-- name: list_points
select x, label from points order by x;
"""
FIRST = "create table points (x bigint primary key, label varchar);"


def write_package(root: Path, name: str, *migrations: str, queries: str = QUERIES) -> str:
    folder = root / name / "sql"
    (folder / "migrations").mkdir(parents=True)
    (folder / "points.sql").write_text(queries)
    for number, statement in enumerate(migrations, start=1):
        (folder / "migrations" / f"{number:04d}_step.sql").write_text(statement)
    return f"{name}.sql"
