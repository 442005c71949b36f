"""Mosaic's shards: every encoding that holds text or numbers, packing, and damage."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import zstandard

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.readers.mds import read_mds
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import MdsSource

SOURCE = MdsSource(reader="mds", path="x")
TEXTS = [f"sample {n} é" * n for n in range(1, 40)]


def shard(samples: list[Mapping[str, tuple[str, int | None, bytes]]]) -> bytes:
    """One shard, laid out as the format is described: each field is (encoding, size, value)."""
    columns = sorted(samples[0])
    first = samples[0]
    described = {
        "column_names": columns,
        "column_encodings": [first[name][0] for name in columns],
        "column_sizes": [first[name][1] for name in columns],
        "version": 2,
    }
    description = json.dumps(described).encode()
    bodies = []
    for sample in samples:
        values = [sample[name] for name in columns]
        sizes = [len(value) for _, size, value in values if size is None]
        bodies.append(struct.pack(f"<{len(sizes)}I", *sizes) + b"".join(v[2] for v in values))
    begin = 4 * (len(samples) + 2) + len(description)
    offsets = [begin, *(begin + end for end in np.cumsum([len(body) for body in bodies]))]
    head = struct.pack(f"<{len(offsets) + 1}I", len(samples), *offsets)
    return head + description + b"".join(bodies)


def texts(*contents: str) -> bytes:
    return shard(
        [
            {"text": ("str", None, content.encode()), "at": ("int", 8, struct.pack("<q", number))}
            for number, content in enumerate(contents)
        ]
    )


def read(
    path: Path, content: bytes, source: MdsSource = SOURCE, schema: Schema = "text"
) -> tuple[list[Document], Intake]:
    path.write_bytes(content)
    intake = Intake()
    documents = list(read_mds(file_at(str(path)), source, schema, intake))
    assert intake.taken == len(documents)
    return documents, intake


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".zstd", zstandard.compress)],
)
def test_shards_are_read_packed_or_not(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    documents, intake = read(tmp_path / f"shard.00000.mds{suffix}", pack(texts(*TEXTS)))
    assert [document.text for document in documents] == TEXTS
    assert not intake.entries


def test_values_are_read_by_their_encodings(tmp_path: Path) -> None:
    value = {
        "text": ("bytes", None, b"x"),
        "meta": ("json", None, b'{"topic": "birds"}'),
        "half": ("float16", 2, np.float16(0.5).tobytes()),
        "small": ("uint8", 1, b"\xff"),
        "whole": ("int", 8, struct.pack("<q", -3)),
        "digits": ("str_int", None, b"7"),
        "point": ("str_decimal", None, b"2.5"),
        "image": ("png", None, b"\x89PNG"),
    }
    scores = {name: name for name in ("half", "small", "whole", "digits", "point")}
    source = MdsSource(reader="mds", path="x", scores=scores, labels={"topic": "meta.topic"})
    (document,), _ = read(tmp_path / "a.mds", shard([value]), source)
    expected = {"half": 0.5, "small": 255.0, "whole": -3.0, "digits": 7.0, "point": 2.5}
    assert dict(document.scores) == expected
    assert document.labels == (("topic", "birds"),)


def test_conversations_lie_in_columns_of_json(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
    content = shard([{"messages": ("json", None, json.dumps(turns).encode())}])
    documents, _ = read(tmp_path / "a.mds", content, schema="conversation")
    assert documents == [Document(messages=(("user", "2 + 2"), ("assistant", "4")))]


@pytest.mark.parametrize("cut", [0, 7, 30, 260, 900, -1])
def test_a_shard_that_is_cut_off_gives_what_stands_before(tmp_path: Path, cut: int) -> None:
    documents, intake = read(tmp_path / "a.mds", texts(*TEXTS)[:cut])
    assert [document.text for document in documents] == TEXTS[: len(documents)]
    assert len(documents) < len(TEXTS)
    (entry,) = intake.entries
    assert (entry.unit, entry.offset) == ("row", len(documents) + 1)
    assert entry.reason.startswith("damaged file: it ends too early")


def test_a_sample_that_does_not_add_up_is_set_aside_alone(tmp_path: Path) -> None:
    content = texts("one", "two", "three")
    at = content.index(b"\x03\0\0\0" + struct.pack("<q", 1))
    documents, intake = read(tmp_path / "a.mds", content[:at] + b"\x04" + content[at + 1 :])
    assert [document.text for document in documents] == ["one", "three"]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("row", 2)]
    assert intake.entries[0].reason.startswith("damaged sample: its columns hold 16 bytes")


@pytest.mark.parametrize(
    ("content", "unit", "reason"),
    [
        (b"no shard at all, but text", "row", "damaged file: it does not begin as a shard"),
        (texts("a").replace(b"column_names", b"column_nomes"), "row", "damaged file: its columns"),
        (texts("a").replace(b"null", b"1.5 "), "row", "damaged file: its columns"),
        (texts("a").replace(b'"text"', b'"body"'), "file", "missing field 'text'"),
        (shard([{"text": ("pkl", None, b"x")}]), "row", "the field 'text' is stored as 'pkl'"),
        (shard([{"text": ("json", None, b"{")}]), "row", "the field 'text' is no json"),
        (shard([{"text": ("str", None, b"\xff")}]), "row", "the field 'text' is no str: not UTF-8"),
        (shard([{"text": ("str", None, b" ")}]), "row", "empty document"),
    ],
)
def test_what_is_no_sample_says_why(tmp_path: Path, content: bytes, unit: str, reason: str) -> None:
    documents, intake = read(tmp_path / "a.mds", content)
    assert not documents
    assert [entry.unit for entry in intake.entries] == [unit]
    assert intake.entries[0].reason.startswith(reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.mds.br", "the shard is packed as .br"), ("a.mds.zstd", "damaged file: zstd")],
)
def test_packing_that_is_not_read_says_so(tmp_path: Path, name: str, reason: str) -> None:
    _, intake = read(tmp_path / name, b"rubbish")
    assert intake.entries[0].reason.startswith(reason)


@pytest.mark.parametrize("compression", [None, "zstd", "gz"])
def test_shards_of_the_format_s_own_writer_are_read(
    tmp_path: Path, compression: str | None
) -> None:
    streaming = pytest.importorskip("streaming")
    options = {"compression": compression, "size_limit": 1 << 11}
    columns = {"text": "str", "at": "int"}
    with streaming.MDSWriter(out=str(tmp_path / "out"), columns=columns, **options) as writer:
        for number, text in enumerate(TEXTS):
            writer.write({"text": text, "at": number})
    found = []
    for path in sorted((tmp_path / "out").glob("*.mds*")):
        found += read(path, path.read_bytes())[0]
    assert [document.text for document in found] == TEXTS
