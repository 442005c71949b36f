from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalog_reading import file_of, no_tokenizer, read, read_with_intake
from fsspec.implementations.memory import MemoryFile

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import JsonlSource, ParquetSource
from mixopt.errors import CatalogError

PARQUET = ParquetSource(reader="parquet", path="x")
TURNS = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]


def written(path: Path, columns: dict[str, Any], **options: object) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def texts_of(path: Path) -> list[str]:
    return [document.text for document in read(path, PARQUET)[0]]


def test_rows_are_read_in_order_and_empty_ones_set_aside(tmp_path: Path) -> None:
    texts: list[str | None] = [f"row {n}" for n in range(20_000)]
    texts[7] = None
    columns = {"id": range(20_000), "text": texts}
    path = written(tmp_path / "a[1].parquet", columns, row_group_size=3000)
    documents, broken = read(path, PARQUET)
    assert [document.text for document in documents] == [text for text in texts if text]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", 8)]


def test_conversations_equal_those_of_jsonl(tmp_path: Path) -> None:
    table = pa.table({"messages": [TURNS, TURNS * 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    table.to_pandas().to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    documents, broken = read(tmp_path / "a.parquet", PARQUET, "conversation")
    jsonl = JsonlSource(reader="jsonl", path="x")
    assert documents == read(tmp_path / "a.jsonl", jsonl, "conversation")[0]
    assert (len(documents), broken) == (2, [])


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
)
def test_texts_of_every_type_are_taken(tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array(["é", "b", "b"]).cast(kind)
    assert texts_of(written(tmp_path / "a.parquet", {"text": column})) == ["é", "b", "b"]


def test_scores_and_labels_may_lie_in_records(tmp_path: Path) -> None:
    meta = [{"q": n / 4, "topic": "t"} for n in range(3)]
    columns = {"text": list("abc"), "meta": meta, "meta.topic": list("xyz")}
    path = written(tmp_path / "a.parquet", columns)
    source = ParquetSource(
        reader="parquet", path="x", scores={"quality": "meta.q"}, labels={"topic": "meta.topic"}
    )
    documents, broken = read(path, source)
    assert not broken
    assert [document.scores for document in documents] == [(("quality", n / 4),) for n in range(3)]
    assert [document.labels for document in documents] == [(("topic", name),) for name in "xyz"]


def test_a_preference_needs_no_prompt_column(tmp_path: Path) -> None:
    chosen = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "yes"}]
    rejected = [chosen[0], {"role": "assistant", "content": "no"}]
    path = written(tmp_path / "a.parquet", {"chosen": [chosen], "rejected": [rejected]})
    documents, broken = read(path, PARQUET, "preference")
    pairs = (("user", "q"), ("assistant", "yes"))
    assert documents == [Document(messages=pairs, rejected=(("assistant", "no"),))]
    assert not broken


@pytest.mark.parametrize("kept", [0, 4, 300, -8])
def test_a_damaged_file_is_set_aside(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path / "a.parquet", {"text": [f"row {n}" for n in range(500)]})
    path.write_bytes(path.read_bytes()[:kept])
    documents, broken = read(path, PARQUET)
    assert not documents
    assert [entry.unit for entry in broken] == ["file"]
    assert broken[0].reason.startswith("damaged file")


@pytest.mark.parametrize("checked", [True, False])
def test_of_rotten_row_groups_the_others_are_read(tmp_path: Path, *, checked: bool) -> None:
    path = written(
        tmp_path / "a.parquet",
        {"text": [f"row {n}" for n in range(500)]},
        row_group_size=100,
        write_page_checksum=checked,
    )
    start = pq.ParquetFile(path).metadata.row_group(2).column(0).dictionary_page_offset
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xff" * 100 + content[start + 100 :])
    documents, broken = read(path, PARQUET)
    assert [document.text for document in documents] == [
        f"row {n}" for n in range(500) if n // 100 != 2
    ]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", 201)]
    assert broken[0].reason.startswith("damaged row group")


def test_rows_that_are_no_utf8_are_set_aside_alone(tmp_path: Path) -> None:
    data = pa.array([b"good", b"caf\xe9", b"fine"])
    column = pa.Array.from_buffers(pa.string(), 3, data.buffers())
    documents, broken = read(written(tmp_path / "a.parquet", {"text": column}), PARQUET)
    assert [document.text for document in documents] == ["good", "fine"]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", 2)]


def test_columns_that_are_missing_or_wrong_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"body": ["x"], "text": [3]})
    assert "found a value of type int" in read(path, PARQUET)[1][0].reason
    other = ParquetSource(reader="parquet", path="x", text_field="missing")
    assert [entry.reason for entry in read(path, other)[1]] == ["missing field 'missing'"]
    scored = ParquetSource(reader="parquet", path="x", scores={"quality": "q"})
    assert [entry.reason for entry in read(path, scored)[1]] == ["missing field 'q'"]


def test_a_file_without_rows_is_not_broken(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"text": pa.array([], pa.string())})
    documents, intake = read_with_intake(path, PARQUET)
    assert (documents, intake.read) == ([], 0)


def test_of_a_large_row_group_little_is_held_at_once(tmp_path: Path) -> None:
    texts = [f"{n:06d} " + "x" * 200_000 for n in range(300)]
    pages = {"use_dictionary": False, "data_page_size": 1 << 20, "write_batch_size": 4}
    path = written(tmp_path / "a.parquet", {"text": texts}, **pages)
    del texts
    before = pa.total_allocated_bytes()
    documents = read_documents(file_of(path), PARQUET, "text", Intake(), load=no_tokenizer)
    assert max(pa.total_allocated_bytes() - before for _ in documents) < 30 << 20


def test_a_remote_file_system_that_fails_stops_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.parquet", {"text": ["a"]})
    fsspec.filesystem("memory").pipe("/parquet/a.parquet", path.read_bytes())

    def failing(*_: object) -> bytes:
        raise ConnectionError

    monkeypatch.setattr(MemoryFile, "read", failing)
    file = file_at("memory://parquet/a.parquet")
    with pytest.raises(CatalogError, match="ConnectionError"):
        list(read_documents(file, PARQUET, "text", Intake(), load=no_tokenizer))
