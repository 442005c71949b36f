import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.docstrings import docstrings_in
from mixopt.catalog.readers.quarantine import Quarantine, QuarantineEntry
from mixopt.catalog.readers.registry import read_documents
from mixopt.catalog.readers.unpack import unpacked_lines
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import (
    DocstringsSource,
    FileSource,
    JsonlSource,
    ParquetSource,
    TextSource,
)

JSONL = JsonlSource(reader="jsonl", path="x")
PARQUET = ParquetSource(reader="parquet", path="x")
TEXT = TextSource(reader="text", path="x")
DOCSTRINGS = DocstringsSource(reader="docstrings", path="x")
LINES = b"".join(json.dumps({"text": f"line {n} " + "x" * n}).encode() + b"\n" for n in range(400))
TURNS = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]

Pack = Callable[[bytes], bytes]


def read(
    path: Path, source: FileSource, schema: Schema = "text"
) -> tuple[list[Document], list[QuarantineEntry]]:
    quarantine = Quarantine()
    return list(read_documents(path, source, schema, quarantine)), quarantine.entries


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)
def test_jsonl_reads_packed_files_of_several_frames(
    tmp_path: Path, suffix: str, pack: Pack
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(LINES[:1000]) + pack(LINES[1000:]))
    documents, broken = read(path, JSONL)
    assert [document.text for document in documents] == [f"line {n} " + "x" * n for n in range(400)]
    assert not broken


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)
def test_truncated_packed_files_keep_their_whole_lines(
    tmp_path: Path, suffix: str, pack: Pack
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(LINES[:5000]) + pack(LINES[5000:])[:-40])
    documents, broken = read(path, JSONL)
    assert 60 < len(documents) < 400
    assert documents[-1].text == f"line {len(documents) - 1} " + "x" * (len(documents) - 1)
    assert [(entry.unit, entry.path) for entry in broken] == [("byte", path)]
    assert broken[0].offset >= 5000
    assert broken[0].reason.startswith("damaged file")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_garbage_under_a_packed_suffix_is_set_aside(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"not packed at all, whatever the name says")
    documents, broken = read(path, JSONL)
    assert not documents
    assert [(entry.unit, entry.offset) for entry in broken] == [("byte", 0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b'{"text": ' + b"1" * 5000 + b"}", "broken JSON"),
        (b'{"body": "x"}', "missing field 'text'"),
        (b'{"text": 3}', "expected text in 'text', found a value of type int"),
        (b'{"text": null}', "expected text in 'text', found nothing"),
        (b'["text"]', "expected a record with fields"),
        (b'{"text": "caf\xe9"}', "not UTF-8"),
        (b'{"text": "\\ud800"}', "no valid Unicode"),
        (b'{"text": " \\n "}', "empty document"),
    ],
)
def test_a_broken_line_is_set_aside_and_the_rest_is_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n\n' + line + b'\n{"text": "two"}')
    documents, broken = read(path, JSONL)
    assert [document.text for document in documents] == ["one", "two"]
    assert [(entry.path, entry.unit, entry.offset) for entry in broken] == [(path, "line", 3)]
    assert broken[0].reason.startswith(reason)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("schema", ["text", "conversation"])
def test_scores_come_from_the_fields_that_the_recipe_names(
    tmp_path: Path, kind: str, schema: Schema
) -> None:
    path = tmp_path / f"a.{kind}"
    rows = [{"text": f"{n}", "messages": TURNS, "q": n / 4, "level": n} for n in range(3)]
    table = pl.DataFrame(rows)
    table.write_ndjson(path) if kind == "jsonl" else table.write_parquet(path)
    options = {"path": "x", "scores": {"quality": "q", "level": "level"}}
    source = JsonlSource(reader="jsonl", **options)  # type: ignore[arg-type]
    if kind == "parquet":
        source = ParquetSource(reader="parquet", **options)  # type: ignore[arg-type, assignment]
    documents, broken = read(path, source, schema)
    assert not broken
    assert [document.scores for document in documents] == [
        (("level", float(n)), ("quality", n / 4)) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [("null", "nothing"), ('"7"', "a value of type str"), ("NaN", "nan"), ("1e999", "inf")],
)
def test_a_record_without_a_finite_score_is_set_aside(
    tmp_path: Path, value: str, found: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "a", "q": {value}}}\n{{"text": "b"}}\n{{"text": "c", "q": 1}}')
    source = JsonlSource(reader="jsonl", path="x", scores={"quality": "q"})
    documents, broken = read(path, source)
    assert [document.text for document in documents] == ["c"]
    assert broken[0].reason == f"expected a finite number in 'q', found {found}"
    assert broken[1].reason == "missing field 'q'"


def test_a_parquet_file_without_a_score_is_set_aside(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "a.parquet")
    source = ParquetSource(reader="parquet", path="x", scores={"quality": "q"})
    documents, broken = read(tmp_path / "a.parquet", source)
    assert not documents
    assert [entry.reason for entry in broken] == ["missing field 'q'"]


def test_documents_outside_the_lengths_of_a_source_are_left_out(tmp_path: Path) -> None:
    texts = ["a" * 9, "é" * 5, "b" * 11, "c" * 20, "d" * 21]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    long = JsonlSource(reader="jsonl", path="x", min_document_bytes=11)
    some = JsonlSource(reader="jsonl", path="x", min_document_bytes=10, max_document_bytes=20)
    assert [document.text for document in read(path, long)[0]] == texts[2:]
    assert [document.text for document in read(path, some)[0]] == texts[1:4]
    assert not read(path, some)[1]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("hello", "expected a list of messages in 'messages', found a value of type str"),
        (["hello"], "expected a message with fields"),
        ([{"role": "user"}], "missing field 'content'"),
        ([{"role": "user", "content": None}], "expected text in 'content', found nothing"),
        ([], "empty document"),
    ],
)
def test_broken_conversations_are_set_aside(tmp_path: Path, messages: object, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    records = [{"messages": TURNS}, {"messages": messages}]
    path.write_text("\n".join(json.dumps(record) for record in records))
    documents, broken = read(path, JSONL, "conversation")
    assert documents == [Document(messages=(("user", "2 + 2"), ("assistant", "4")))]
    assert [(entry.offset, entry.reason.startswith(reason)) for entry in broken] == [(2, True)]


def test_field_names_come_from_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "b", "chat": [{"from": "user", "value": "v"}]}')
    source = JsonlSource(
        reader="jsonl",
        path="x",
        text_field="body",
        messages_field="chat",
        role_key="from",
        content_key="value",
    )
    assert read(path, source)[0] == [Document(text="b")]
    assert read(path, source, "conversation")[0] == [Document(messages=(("user", "v"),))]


def test_parquet_rows_are_read_in_order_and_empty_ones_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a[1].parquet"
    texts: list[str | None] = [f"row {n}" for n in range(20_000)]
    texts[7] = None
    pl.DataFrame({"id": range(20_000), "text": texts}).write_parquet(path, row_group_size=3000)
    documents, broken = read(path, PARQUET)
    assert [document.text for document in documents] == [text for text in texts if text]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", 8)]


def test_parquet_conversations_equal_those_of_jsonl(tmp_path: Path) -> None:
    pl.DataFrame({"messages": [TURNS, TURNS[:1]]}).write_parquet(tmp_path / "a.parquet")
    lines = [json.dumps({"messages": messages}) for messages in (TURNS, TURNS[:1])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    documents, broken = read(tmp_path / "a.parquet", PARQUET, "conversation")
    assert documents == read(tmp_path / "a.jsonl", JSONL, "conversation")[0]
    assert not broken


@pytest.mark.parametrize("kept", [0, 4, 300, -8])
def test_damaged_parquet_is_set_aside(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": [f"row {n}" for n in range(500)]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])
    documents, broken = read(path, PARQUET)
    assert not documents
    assert [(entry.path, entry.unit) for entry in broken] == [(path, "file")]
    assert broken[0].reason.startswith("damaged file")


def test_parquet_pages_that_rot_do_not_stop_a_build(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": [f"row {n}" for n in range(500)]}).write_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 200 + content[204:])
    documents, broken = read(path, PARQUET)
    assert not documents
    assert len(broken) == 1


def test_parquet_without_the_field_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"body": ["x"], "text": [3]}).write_parquet(path)
    assert "found a value of type int" in read(path, PARQUET)[1][0].reason
    other = ParquetSource(reader="parquet", path="x", text_field="missing")
    assert read(path, other)[1][0].reason == "missing field 'missing'"


@pytest.mark.parametrize(
    ("content", "unit", "offset", "reason"),
    [
        (b"good start \xff", "byte", 11, "not UTF-8"),
        (b"", "file", 0, "empty document"),
        (b" \n\t", "file", 0, "empty document"),
    ],
)
def test_broken_texts_are_set_aside(
    tmp_path: Path, content: bytes, unit: str, offset: int, reason: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    documents, broken = read(path, TEXT)
    assert not documents
    assert [(entry.unit, entry.offset) for entry in broken] == [(unit, offset)]
    assert broken[0].reason.startswith(reason)


def test_texts_are_unpacked_and_their_line_ends_unified(tmp_path: Path) -> None:
    text = "é one\r\ntwo\r\n"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(text.encode()))
    found = [read(path, TEXT)[0] for path in sorted(tmp_path.iterdir())]
    assert found == [[Document(text="é one\ntwo\n")]] * 3


def test_a_file_that_is_gone_is_set_aside(tmp_path: Path) -> None:
    documents, broken = read(tmp_path / "gone.txt", TEXT)
    assert not documents
    assert "No such file" in broken[0].reason


def test_docstrings_stand_in_the_order_of_the_source() -> None:
    source = '''"""Module."""
if True:
    class A:
        """Class."""
        def f(self):
            """Method."""
            return lambda: "no docstring"
try:
    async def g():
        """Async."""
except Exception:
    def h(): "Short."
def silent(): pass
'''
    assert docstrings_in(source.encode()).split("\n\n") == [
        "Module.",
        "Class.",
        "Method.",
        "Async.",
        "Short.",
    ]


@pytest.mark.parametrize(
    ("content", "unit", "offset"),
    [
        (b"x = 1\ndef broken(:\n", "line", 2),
        (b'"""caf\xe9"""\n', "line", 0),
        (b"x = '\x00'\n", "line", 0),
        (b'"""lone \\ud800"""\n', "file", 0),
        (b"(" * 5000, "line", 1),
    ],
)
def test_unparsable_sources_are_set_aside(
    tmp_path: Path, content: bytes, unit: str, offset: int
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(content)
    documents, broken = read(path, DOCSTRINGS)
    assert not documents
    assert [entry.unit for entry in broken] in ([unit], ["file"])
    assert offset == 0 or broken[0].offset == offset


def test_a_source_without_docstrings_is_not_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("pattern = '\\d'\n")
    assert read(path, DOCSTRINGS) == ([], [])


def test_lines_may_be_longer_than_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"a" * 3_000_000 + b"\n\n" + b"b" * 1_500_000)
    assert [len(line) for line in unpacked_lines(path)] == [3_000_000, 0, 1_500_000]


def test_the_quarantine_counts_all_and_keeps_the_first_of_each_file(tmp_path: Path) -> None:
    quarantine = Quarantine()
    for number in range(1500):
        quarantine.add(tmp_path / "many", "line", number, "broken")
    quarantine.add(tmp_path / "other", "file", 0, "broken")
    assert len(quarantine) == 1501
    assert len(quarantine.entries) == 1001
    assert quarantine.entries[-1].path.name == "other"
