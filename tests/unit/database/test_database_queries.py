from pathlib import Path

import pytest
from database_fakes import write_package

from mixopt.database.queries import load_queries, parse_queries


def test_statements_stand_under_their_names() -> None:
    text = "-- about the file\n\n-- name: one\nselect 1;\n-- name: two\n-- why\nselect 2;\n"
    assert parse_queries(text, file="f.sql") == {"one": "select 1;", "two": "-- why\nselect 2;"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- name: one\nselect 1;\n-- name: one\nselect 2;", "'one' is defined twice"),
        ("select 1;\n-- name: one\nselect 2;", "above the first"),
        ("-- name:\nselect 1;", "'' is no name"),
        ("-- name: Not One\nselect 1;", "'Not One' is no name"),
        ("-- name: one\n-- only a comment\n", "'one' has no statement"),
    ],
)
def test_faulty_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_queries(text, file="f.sql")
    assert "f.sql" in str(caught.value)


def test_a_name_in_two_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_package(tmp_path, "double_names", queries="-- name: one\nselect 1;")
    (tmp_path / "double_names" / "sql" / "again.sql").write_text("-- name: one\nselect 2;")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="'one' is defined twice"):
        load_queries(package)


def test_queries_of_the_catalog_load_from_the_package() -> None:
    queries = load_queries("mixopt.catalog.sql")
    assert {"read_domains", "read_paths"} <= set(queries)
    assert not any("create table" in statement for statement in queries.values())
