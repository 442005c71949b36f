"""Comments beside SQL become the meanings of tables, columns and functions."""

from __future__ import annotations

from mixopt.catalog.dictionary import read_meanings

MIGRATION = """-- The first schema.

-- One row for every thing.
-- And no other.
create table things (
    name varchar primary key,
    "at" double not null,       -- share of the stage
    parts varchar[],            -- commas, too
    plain bigint not null
);

-- Of no table.

create table bare (
    note varchar                -- - a dash
);
alter table things add column later double;   -- seconds
-- What came last, null before.
alter table things add column last varchar;
"""
VIEWS = """-- Views.

-- name: view_some
-- What is some.
create temp view some as
select
    name as thing,
    sum(x) over () as total,    -- of all
    "at"                        -- as there
from things;

-- name: macro_f
-- A function
create temp macro f(a) as
    a + 1;  -- one more
"""


def test_comments_of_tables_and_columns_are_meanings() -> None:
    found = {(m.relation, m.name): m.meaning for m in read_meanings([MIGRATION])}
    assert found == {
        ("things", None): "One row for every thing. And no other.",
        ("things", "at"): "share of the stage",
        ("things", "parts"): "commas, too",
        ("bare", "note"): "- a dash",
        ("things", "later"): "seconds",
        ("things", "last"): "What came last, null before.",
    }


def test_comments_of_views_and_functions_are_meanings() -> None:
    found = {(m.relation, m.name): m.meaning for m in read_meanings([VIEWS])}
    assert found["some", None] == "What is some."
    assert (found["some", "total"], found["some", "at"]) == ("of all", "as there")
    assert found[None, "f"] == "A function"
    assert len(found) == 4


def test_a_later_text_overrides_an_earlier_one() -> None:
    again = "create table things (\n    plain bigint    -- anew\n);\n"
    found = {(m.relation, m.name): m.meaning for m in read_meanings([MIGRATION, again])}
    assert found["things", "plain"] == "anew"
