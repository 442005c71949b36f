"""Every shipped query answers its question, on a real catalog and study and on empty ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from filled import write_filled_catalog, write_filled_ledger

from mixopt.catalog.query import LockedConnection, Studies, open_query
from mixopt.catalog.shipped import KeptQuery, bind, shipped_queries

QUERIES = shipped_queries()
PACKAGE = "mixopt.study.sql"
each_query = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockedConnection]:
    folder = tmp_path_factory.mktemp("filled")
    catalog = write_filled_catalog(folder / "catalog.duckdb")
    studies = Studies(package=PACKAGE, ledgers=[write_filled_ledger(folder / "study")])
    with open_query(catalog, studies=studies) as connection:
        yield connection


@pytest.fixture(scope="module")
def built(tiny_catalog: Path) -> Iterator[LockedConnection]:
    with open_query(tiny_catalog, studies=Studies(package=PACKAGE)) as connection:
        yield connection


def parameters(query: KeptQuery) -> dict[str, object]:
    needed = [f"{each.name}=web" for each in query.parameters if each.preset is None]
    return bind(query, needed)


def test_a_practitioners_first_twenty_questions_are_there() -> None:
    assert len(QUERIES) >= 20
    assert len({query.question for query in QUERIES}) == len(QUERIES)


@each_query
def test_a_query_says_what_it_answers(query: KeptQuery) -> None:
    assert "?" in query.question
    assert all(parameter.meaning for parameter in query.parameters)
    assert all(f"${parameter.name}" in query.sql for parameter in query.parameters)


@each_query
def test_a_query_answers_where_there_is_something(
    query: KeptQuery, filled: LockedConnection
) -> None:
    table = filled.query(query.sql, parameters(query))
    assert table.rows
    assert any(value is not None for row in table.rows for value in row)
    assert len(set(table.columns)) == len(table.columns)


@each_query
def test_a_query_runs_on_a_catalog_that_was_built(
    query: KeptQuery, built: LockedConnection
) -> None:
    table = built.query(query.sql, parameters(query))
    assert table.columns
    if query.name in {"largest-domains", "supply-for-target", "splits", "licences"}:
        assert table.rows


def test_figures_of_a_study_are_what_a_hand_finds(filled: LockedConnection) -> None:
    asked = {query.name: query for query in QUERIES}
    query = asked["weights-of-the-best"]
    weights = filled.query(query.sql, parameters(query)).rows
    # The best of three is search-1: 600 tokens half web, half code, then 400 of drills.
    best = {row[1]: row[2] for row in weights}
    assert best == {"web": 0.3, "code": 0.3, "drills": 0.4}
    order = asked["order-of-domains-in-best-trials"]
    middles = {row[1]: row[2] for row in filled.query(order.sql, parameters(order)).rows}
    assert middles == {"web": 0.3, "code": 0.3, "drills": 0.8}
