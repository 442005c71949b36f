"""Queries in files: what they ask, and how values are bound to their parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixopt.catalog.shipped import KeptQuery, bind, find_query, read_query
from mixopt.errors import NotFoundError, QueryError

TEXT = """-- Which domains are small?
-- $tokens (count) = 20B: tokens of the target run
-- $domain (text): a domain
-- $share (number) = 0.1: a share
select $tokens, $domain, $share
"""


@pytest.fixture
def query(tmp_path: Path) -> KeptQuery:
    path = tmp_path / "small.sql"
    path.write_text(TEXT)
    return read_query(path)


def test_a_file_says_what_it_asks_and_what_can_be_set(query: KeptQuery) -> None:
    assert (query.name, query.question) == ("small", "Which domains are small?")
    found = [(each.name, each.kind, each.preset) for each in query.parameters]
    assert found == [
        ("tokens", "count", "20B"),
        ("domain", "text", None),
        ("share", "number", "0.1"),
    ]


def test_values_are_of_the_kind_that_the_file_names(query: KeptQuery) -> None:
    assert bind(query, ["domain=7B"]) == {"tokens": 20 * 10**9, "domain": "7B", "share": 0.1}
    given = bind(query, ["domain=a=b", "tokens=1_000", "share=1e-3"])
    assert given == {"tokens": 1000, "domain": "a=b", "share": 0.001}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "needs a value for 'domain'"),
        (["domain=x", "tokens=many"], "has to be a count"),
        (["domain=x", "tokns=1"], "no parameter 'tokns'"),
        (["domain"], "sets nothing"),
    ],
)
def test_what_cannot_be_set_is_named(query: KeptQuery, given: list[str], told: str) -> None:
    with pytest.raises(QueryError, match=told):
        bind(query, given)


def test_a_query_without_declared_parameters_takes_any() -> None:
    query = KeptQuery(name="q", question="", parameters=(), sql="select $a, $b, $c, $d")
    given = bind(query, ["a=20B", "b=0.5", "c=web", "d=inf"])
    assert given == {"a": 20 * 10**9, "b": 0.5, "c": "web", "d": "inf"}


def test_shipped_queries_are_found_by_name() -> None:
    assert find_query("largest-domains").question.endswith("?")
    with pytest.raises(NotFoundError, match="Did you mean 'largest-domains'"):
        find_query("largest-domain")


def test_broken_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    path.write_text("-- $a (colour): what\nselect 1")
    with pytest.raises(QueryError, match="no kind of parameter"):
        read_query(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(QueryError, match="cannot be read"):
        read_query(path)
