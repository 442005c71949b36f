"""Answers in every format: the same values, in batches, to a file that appears whole."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixopt.catalog.query import Answer, Limits
from mixopt.cli import answers
from mixopt.errors import QueryError

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("sum", pa.decimal128(38, 0)),
        ("price", pa.decimal128(5, 2)),
        ("day", pa.date32()),
        ("list", pa.list_(pa.int64())),
        ("map", pa.map_(pa.string(), pa.float64())),
        ("flag", pa.bool_()),
        ("real", pa.float64()),
        ("raw", pa.binary()),
    ]
)
ROWS = [
    ('é "x", y', Decimal(10**20), Decimal("1.50"), dt.date(2026, 1, 2), [1, None], [("k", 0.5)], True, 0.1, b"ab"),
    (None, None, None, None, None, None, None, float("nan"), None),
]  # fmt: skip


def answer(rows: int = 2) -> Answer:
    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(rows):
            columns = [pa.array([value], type=field.type) for value, field in zip(ROWS[number % 2], SCHEMA, strict=True)]  # fmt: skip
            yield pa.record_batch(columns, schema=SCHEMA)

    return Answer(schema=SCHEMA, batches=batches())


def test_csv_has_what_is_there_and_nothing_for_null(tmp_path: Path) -> None:
    answers.write(answer(), "csv", tmp_path / "x.csv")
    header, first, second = csv.reader(io.StringIO((tmp_path / "x.csv").read_text()))
    assert header == SCHEMA.names
    assert first[:4] == ['é "x", y', str(10**20), "1.50", "2026-01-02"]
    assert [json.loads(first[4]), json.loads(first[5])] == [[1, None], {"k": 0.5}]
    assert first[6:] == ["true", "0.1", "YWI="]
    assert second == ["", "", "", "", "", "", "", "nan", ""]


def test_json_and_json_lines_hold_the_same(tmp_path: Path) -> None:
    answers.write(answer(3), "json", tmp_path / "x.json")
    answers.write(answer(3), "jsonl", tmp_path / "x.jsonl")
    whole = json.loads((tmp_path / "x.json").read_text())
    assert whole == [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert whole[0]["sum"] == 10**20
    assert whole[0]["price"] == 1.5
    assert whole[0]["map"] == {"k": 0.5}
    assert whole[1] == dict.fromkeys(SCHEMA.names)
    answers.write(answer(0), "json", tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_parquet_keeps_types(tmp_path: Path) -> None:
    answers.write(answer(5), "parquet", tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.num_rows == 5
    assert table.schema.field("sum").type == pa.decimal128(38, 0)
    assert table["price"][0].as_py() == Decimal("1.50")
    answers.write(answer(0), "parquet", tmp_path / "none.parquet")
    assert pq.read_table(tmp_path / "none.parquet").schema.names == SCHEMA.names


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield next(answer().batches)
        what = "time is up"
        raise QueryError(what)

    path = tmp_path / "x.csv"
    path.write_text("old")
    with pytest.raises(QueryError):
        answers.write(Answer(schema=SCHEMA, batches=broken()), "csv", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_so_many_rows_are_taken() -> None:
    assert sum(len(batch) for batch in answers.first_rows(answer(9), 4).batches) == 4
    assert sum(len(batch) for batch in answers.first_rows(answer(2), 4).batches) == 2


def test_a_table_is_bounded_and_a_stream_is_not(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    few = Limits(rows=2)
    with pytest.raises(QueryError, match="more than 2 rows"):
        answers.show(answer(3), "table", few)
    answers.show(answer(3), "jsonl", few)
    assert capsysbinary.readouterr().out.count(b"\n") == 3


def test_formats_have_names_and_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no format"):
        answers.format_named("xlsx")
    with pytest.raises(QueryError, match="for the screen"):
        answers.write(answer(), "table", tmp_path / "x.txt")
    monkeypatch.setattr("mixopt.cli.console.is_terminal", lambda: True)
    with pytest.raises(QueryError, match="not for a terminal"):
        answers.show(answer(), "parquet", Limits())
