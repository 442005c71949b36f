"""Arrow files and streams: batches, columns of messages, cuts, and rows that rotted."""

from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers.arrow import read_arrow
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import ArrowSource

SOURCE = ArrowSource(reader="arrow", path="x")
TURNS = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
TEXTS = [f"row {n} é" for n in range(5000)]


def written(table: pa.Table, kind: str, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    open_writer = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with open_writer(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=2000)
    return bytes(sink.getvalue())


def read(
    path: Path, content: bytes, source: ArrowSource = SOURCE, schema: Schema = "text"
) -> tuple[list[Document], Intake]:
    path.write_bytes(content)
    intake = Intake()
    documents = list(read_arrow(file_at(str(path)), source, schema, intake))
    assert intake.taken == len(documents)
    return documents, intake


@pytest.mark.parametrize("kind", ["stream", "file"])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_files_and_streams_are_read_in_order(
    tmp_path: Path, kind: str, compression: str | None
) -> None:
    table = pa.table({"id": range(5000), "text": TEXTS, "q": [n / 4 for n in range(5000)]})
    source = ArrowSource(reader="arrow", path="x", scores={"quality": "q"})
    content = written(table, kind, compression=compression)
    documents, intake = read(tmp_path / "a.arrow", content, source)
    assert [document.text for document in documents] == TEXTS
    assert documents[3].scores == (("quality", 0.75),)
    assert not intake.entries


def test_what_datasets_saves_to_disk_is_read(tmp_path: Path) -> None:
    rows = [{"text": text, "meta": {"topic": "birds"}, "messages": TURNS} for text in TEXTS[:30]]
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved", num_shards=2)
    source = ArrowSource(reader="arrow", path="x", labels={"topic": "meta.topic"})
    paths = sorted((tmp_path / "saved").glob("*.arrow"))
    found = [each for path in paths for each in read(path, path.read_bytes(), source)[0]]
    chats, _ = read(paths[0], paths[0].read_bytes(), source, "conversation")
    assert [document.text for document in found] == TEXTS[:30]
    assert {document.labels for document in found} == {(("topic", "birds"),)}
    assert chats == [Document(messages=(("user", "2 + 2"), ("assistant", "4")))] * 15


def test_texts_may_be_large_views_binary_or_in_a_dictionary(tmp_path: Path) -> None:
    texts = pa.array(["one", "two", "one", None])
    kinds = [
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.dictionary(pa.int8(), pa.string()),
    ]
    for kind in kinds:
        content = written(pa.table({"text": texts.cast(kind)}), "stream")
        documents, intake = read(tmp_path / "a.arrow", content)
        assert [document.text for document in documents] == ["one", "two", "one"]
        assert [(entry.unit, entry.offset) for entry in intake.entries] == [("row", 4)]


@pytest.mark.parametrize("kind", ["stream", "file"])
@pytest.mark.parametrize("part", [0.0, 0.0001, 0.3, 0.7, 0.99])
def test_whole_batches_before_a_cut_are_read(tmp_path: Path, kind: str, part: float) -> None:
    content = written(pa.table({"text": TEXTS}), kind)
    documents, intake = read(tmp_path / "a.arrow", content[: int(len(content) * part)])
    whole = {0.7: 2000, 0.99: 4000}.get(part, 0)
    assert [document.text for document in documents] == TEXTS[:whole]
    entry = intake.entries[0]
    assert (entry.unit, entry.offset) == ("row", len(documents) + 1)
    assert entry.reason.startswith("damaged file")


def test_a_file_without_its_footer_is_not_whole(tmp_path: Path) -> None:
    content = written(pa.table({"text": TEXTS}), "file")
    documents, intake = read(tmp_path / "a.arrow", content[:-4])
    assert len(documents) == 5000
    assert [entry.offset for entry in intake.entries] == [5001]


def test_a_row_that_is_no_utf8_is_set_aside_alone(tmp_path: Path) -> None:
    content = written(pa.table({"text": TEXTS[:1500]}), "stream")
    rotten = content.replace(b"row 1234 \xc3\xa9", b"row 1234 \xff\xff")
    documents, intake = read(tmp_path / "a.arrow", rotten)
    assert [document.text for document in documents] == TEXTS[:1234] + TEXTS[1235:1500]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("row", 1235)]
    assert intake.entries[0].reason.startswith("damaged row")


def test_offsets_that_point_nowhere_do_not_end_the_process(tmp_path: Path) -> None:
    content = written(pa.table({"text": ["a" * 7, "b" * 8, "c" * 9]}), "stream")
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 7, 15, 24))
    wrong = b"".join(number.to_bytes(4, "little") for number in (0, 7, 1 << 30, 24))
    assert content.count(offsets) == 1
    documents, intake = read(tmp_path / "a.arrow", content.replace(offsets, wrong))
    assert [document.text for document in documents] == ["a" * 7]
    assert [entry.offset for entry in intake.entries] == [2, 3]


@pytest.mark.parametrize(
    ("content", "unit", "reason"),
    [
        (b"no arrow at all, but a text", "row", "damaged file"),
        (written(pa.table({"body": ["x"]}), "file"), "file", "missing field 'text'"),
        (written(pa.table({"text": [3]}), "file"), "row", "expected text in 'text', found"),
    ],
)
def test_what_is_no_document_says_why(
    tmp_path: Path, content: bytes, unit: str, reason: str
) -> None:
    documents, intake = read(tmp_path / "a.arrow", content)
    assert not documents
    assert [entry.unit for entry in intake.entries] == [unit]
    assert intake.entries[0].reason.startswith(reason)


def test_remote_files_are_read_like_local_ones() -> None:
    fsspec = pytest.importorskip("fsspec")
    url = "memory://test_catalog_arrow/a.arrow"
    with fsspec.open(url, "wb") as opened:
        opened.write(written(pa.table({"text": TEXTS}), "file"))
    intake = Intake()
    documents = list(read_arrow(file_at(url), SOURCE, "text", intake))
    assert [document.text for document in documents] == TEXTS
