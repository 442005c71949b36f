"""WebDataset tars: records of members, fields within JSON, packing, and damage."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.readers.webdataset import read_webdataset
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import WebDatasetSource

SOURCE = WebDatasetSource(reader="webdataset", path="x")
TEXTS = [f"text {n}\n" for n in range(60)]


def tar(*members: tuple[str, bytes], closed: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        used = buffer.tell()
    return buffer.getvalue() if closed else buffer.getvalue()[:used]


MANY = tar(
    *(
        (f"part.1/{number:04d}.{suffix}", content)
        for number, text in enumerate(TEXTS)
        for suffix, content in (("jpg", bytes(900)), ("txt", text.encode()))
    )
)
RECORD_BYTES = 512 + 1024 + 512 + 512  # two headers, and two members in whole blocks


def read(
    path: Path, content: bytes, source: WebDatasetSource = SOURCE, schema: Schema = "text"
) -> tuple[list[Document], Intake]:
    path.write_bytes(content)
    intake = Intake()
    documents = list(read_webdataset(file_at(str(path)), source, schema, intake))
    assert intake.taken == len(documents)
    return documents, intake


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress)],
)
def test_archives_are_read_packed_or_not(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    documents, intake = read(tmp_path / f"a.tar{suffix}", pack(MANY + MANY))
    assert [document.text for document in documents] == TEXTS + TEXTS
    assert not intake.entries


def test_fields_are_members_and_what_lies_within_json(tmp_path: Path) -> None:
    meta = {"body": "from json", "page": {"topic": "birds"}}
    content = tar(
        ("a.b.c/x.meta.JSON", json.dumps(meta).encode()),
        ("a.b.c/x.cls", b"7\n"),
        ("a.b.c/x.score", b"0.25\n"),
    )
    source = WebDatasetSource(
        reader="webdataset",
        path="x",
        text_field="meta.json.body",
        scores={"quality": "score"},
        labels={"kind": "cls", "topic": "meta.json.page.topic"},
    )
    (document,), _ = read(tmp_path / "a.tar", content, source)
    assert document.text == "from json"
    assert document.scores == (("quality", 0.25),)
    assert document.labels == (("kind", "7"), ("topic", "birds"))


def test_conversations_lie_within_json(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
    content = tar(("a.json", json.dumps({"chat": turns}).encode()), ("a.png", b"\x89PNG"))
    source = WebDatasetSource(reader="webdataset", path="x", messages_field="json.chat")
    documents, _ = read(tmp_path / "a.tar", content, source, "conversation")
    assert documents == [Document(messages=(("user", "2 + 2"), ("assistant", "4")))]


def test_records_are_neighbours_of_one_name_in_one_folder(tmp_path: Path) -> None:
    content = tar(
        ("readme", b"no record"),
        ("a/.hidden.txt", b"no record"),
        ("a/1.txt", b"one"),
        ("b/1.txt", b"two"),
        ("b/2.v1.txt", b"of the field v1.txt"),
        ("b/3.TXT", b"\xef\xbb\xbfthree"),
    )
    documents, intake = read(tmp_path / "a.tar", content)
    assert [document.text for document in documents] == ["one", "two", "three"]
    assert [entry.reason for entry in intake.entries] == ["missing field 'txt'"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("x.jpg", b"1")], "missing field 'txt'"),
        ([("x.txt", b"1"), ("x.txt", b"2")], "two members 'txt'"),
        ([("x.txt", b"\xff")], "not UTF-8"),
        ([("x.txt", b" ")], "empty document"),
        ([("x.txt", b"1"), ("x.json", b"{")], "broken member 'json'"),
        ([("x.txt", b"1"), ("x.json", b"[1]")], "missing field 'json.q'"),
    ],
)
def test_a_broken_record_is_set_aside_alone(
    tmp_path: Path, members: list[tuple[str, bytes]], reason: str
) -> None:
    whole = [("txt", b"good"), ("json", b'{"q": 1}')]
    first, last = ([(f"{name}.{suffix}", each) for suffix, each in whole] for name in "az")
    scores = {"q": "json.q"} if "json" in members[-1][0] else {}
    source = WebDatasetSource(reader="webdataset", path="x", scores=scores)
    documents, intake = read(tmp_path / "a.tar", tar(*first, *members, *last), source)
    assert [document.text for document in documents] == ["good", "good"]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("byte", 2048)]
    assert intake.entries[0].reason.startswith(reason)


@pytest.mark.parametrize("cut", [0, 100, 512, 40_000, 60_000, 60_500])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_archive_that_is_cut_off_gives_what_stands_before(
    tmp_path: Path, cut: int, suffix: str
) -> None:
    content = MANY[:cut]
    packed = gzip.compress(content)[:-8] if suffix else content
    documents, intake = read(tmp_path / f"a.tar{suffix}", packed)
    whole = sum(RECORD_BYTES * number + 2048 + len(TEXTS[number]) <= cut for number in range(60))
    assert [document.text for document in documents] == TEXTS[:whole]
    assert intake.entries[-1].reason.startswith("damaged file")
    assert len(intake.entries) <= 2


def test_an_archive_without_its_end_mark_is_not_whole(tmp_path: Path) -> None:
    documents, intake = read(tmp_path / "a.tar", tar(("a.txt", b"one"), closed=False))
    assert [document.text for document in documents] == ["one"]
    assert [entry.offset for entry in intake.entries] == [1024]
    assert "without its end mark" in intake.entries[0].reason


def test_a_broken_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    documents, intake = read(tmp_path / "a.tar", MANY[:30_720] + b"rubbish!" + MANY[30_728:])
    assert [document.text for document in documents] == TEXTS[:12]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("byte", 30_720)]
    assert intake.entries[0].reason == "damaged file: bad checksum"


def test_a_file_that_is_gone_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(MANY)
    file, intake = file_at(str(path)), Intake()
    path.unlink()
    assert not list(read_webdataset(file, SOURCE, "text", intake))
    assert "No such file" in intake.entries[0].reason
