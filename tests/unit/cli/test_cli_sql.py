"""`mixopt catalog sql`: where the query comes from, and where the answer goes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filled import write_filled_catalog, write_filled_ledger

from mixopt.cli.sql import Allowance, Question, Result, ledgers_of, sql
from mixopt.errors import NotFoundError, QueryError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql")
    write_filled_catalog(folder / "catalog.duckdb")
    write_filled_ledger(folder / "study")
    return folder


def ask(folder: Path, query: str | None, *, listed: bool = False, **options: object) -> None:
    values: dict[str, object] = {"catalog": folder / "catalog.duckdb", "as_json": True}
    records = (Question(), Result(), Allowance())
    for record in records:
        for name in record.__slots__:
            values.setdefault(name, getattr(record, name))
    sql(query=query, listed=listed, **(values | options))


def test_a_query_is_answered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(folder, "select name, tokens from domains order by position limit 1")
    assert json.loads(capsys.readouterr().out) == [{"name": "web", "tokens": 3000}]


def test_a_shipped_query_takes_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(folder, "@repetition-at-target", setting=["tokens=8M", "weight=0.5"])
    epochs = {row["domain"]: row["epochs"] for row in json.loads(capsys.readouterr().out)}
    assert epochs["web"] == 1.0


def test_a_query_comes_from_a_file_or_a_pipe(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "q.sql"
    path.write_text(
        "-- Which?\n-- $least (count) = 1K: tokens\nselect name from domains where tokens > $least"
    )
    ask(folder, None, file=path)
    assert json.loads(capsys.readouterr().out) == [{"name": "web"}]
    monkeypatch.setattr("sys.stdin", io.StringIO("select 7 as seven"))
    ask(folder, None)
    assert json.loads(capsys.readouterr().out) == [{"seven": 7}]
    with pytest.raises(QueryError, match="too much"):
        ask(folder, "select 1", file=path)


def test_a_study_is_joined(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(folder, "@best-trials", study=[folder / "study"])
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["study"], first["value"]) == ("study", 1.6)
    with pytest.raises(NotFoundError, match="no study results"):
        ledgers_of([folder])


def test_a_question_about_studies_without_one_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(folder, "@best-trials")
    told = capsys.readouterr()
    assert json.loads(told.out) == []
    assert "--study FOLDER" in told.err


def test_an_answer_goes_to_a_file_without_a_limit_of_rows(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "x.parquet"
    ask(folder, "select range as i from range(1200000)", out=out, as_json=False)
    assert pq.read_metadata(out).num_rows == 1_200_000
    ask(folder, "select range as i from range(9)", out=tmp_path / "x.csv", as_json=False, most=2)
    assert (tmp_path / "x.csv").read_text() == "i\n0\n1\n"
    with pytest.raises(QueryError, match="no format"):
        ask(folder, "select 1", out=tmp_path / "x.xlsx", as_json=False)


def test_shipped_queries_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(folder, None, listed=True)
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) >= 20
    assert all(row["question"].rstrip(" (-study.)").endswith("?") for row in listed[:1])
    settings = {row["query"]: row["--set"] for row in listed}
    assert settings["repetition-at-target"].startswith("tokens=")


def test_limits_are_kept(folder: Path) -> None:
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r"
    with pytest.raises(QueryError, match=r"longer than 0.2 seconds"):
        ask(folder, endless, seconds=0.2)
    with pytest.raises(QueryError, match=r"[Mm]emory"):
        ask(folder, "select list(range) from range(1000000000)", memory=64)
