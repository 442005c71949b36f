import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard
from catalog_reading import read, read_with_intake

from mixopt.catalog.documents import Document
from mixopt.catalog.readers import unpack
from mixopt.catalog.readers.code import programming_language
from mixopt.catalog.readers.dispatch import INCLUDE
from mixopt.catalog.readers.docstrings import docstrings_in
from mixopt.catalog.sources import (
    CodeSource,
    DocstringsSource,
    FileSource,
    JsonlSource,
    TextSource,
)

TEXT = TextSource(reader="text", path="x")
CODE = CodeSource(reader="code", path="x")
DOCSTRINGS = DocstringsSource(reader="docstrings", path="x")


def test_every_reader_says_which_files_it_takes() -> None:
    readers = {kind.model_fields["reader"].annotation.__args__[0] for kind in FileSource.__args__}
    assert set(INCLUDE) == readers
    assert all(INCLUDE.values())


def test_documents_outside_the_lengths_of_a_source_are_left_out(tmp_path: Path) -> None:
    texts = ["a" * 9, "é" * 5, "b" * 11, "c" * 20, "d" * 21]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in [*texts, 3]))
    long = JsonlSource(reader="jsonl", path="x", min_document_bytes=11)
    some = JsonlSource(reader="jsonl", path="x", min_document_bytes=10, max_document_bytes=20)
    assert [document.text for document in read(path, long)[0]] == texts[2:]
    documents, intake = read_with_intake(path, some)
    assert [document.text for document in documents] == texts[1:4]
    assert (intake.read, intake.filtered, intake.quarantined) == (6, 2, 1)


@pytest.mark.parametrize("source", [TEXT, CODE])
@pytest.mark.parametrize(
    ("content", "unit", "offset", "reason"),
    [
        (b"good start \xff", "byte", 11, "not UTF-8"),
        ("UTF-16".encode("utf-16"), "byte", 0, "not UTF-8"),
        (b"\x7fELF\x02\x00\x01", "byte", 5, "binary"),
        (b"", "file", 0, "empty document"),
        (b" \n\t", "file", 0, "empty document"),
    ],
)
def test_broken_texts_are_set_aside(
    tmp_path: Path, source: FileSource, content: bytes, unit: str, offset: int, reason: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    documents, broken = read(path, source)
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


@pytest.mark.parametrize("source", [TEXT, CODE, DOCSTRINGS])
def test_files_that_are_too_long_are_set_aside(
    tmp_path: Path, source: FileSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MOST_BYTES", 1000)
    (tmp_path / "a.py").write_text("# long\n" * 200)
    documents, broken = read(tmp_path / "a.py", source)
    assert not documents
    assert [(entry.unit, entry.offset) for entry in broken] == [("file", 0)]
    assert broken[0].reason == "longer than 1,000 bytes"


@pytest.mark.parametrize("source", [TEXT, CODE, DOCSTRINGS])
def test_what_cannot_be_opened_is_set_aside(tmp_path: Path, source: FileSource) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    for name, reason in [("gone", "No such"), ("pipe", "no regular"), ("folder", "no regular")]:
        documents, broken = read(tmp_path / f"{name}.txt", source)
        assert not documents
        assert [(entry.unit, entry.offset) for entry in broken] == [("byte", 0)]
        assert reason in broken[0].reason


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a/b/main.rs", "Rust"),
        ("s3://bucket/x.y/kernel.cu.zst", "Cuda"),
        ("Makefile", "Makefile"),
        ("CMakeLists.txt", "CMake"),
        ("analysis.R", "R"),
        ("LICENSE", "Other"),
        ("notes.txt", "Other"),
        ("py", "Other"),
    ],
)
def test_the_language_of_code_follows_from_its_name(name: str, language: str) -> None:
    assert programming_language(name) == language


def test_code_is_labelled_with_its_language(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_bytes(b"package main\r\n")
    (document,) = read(tmp_path / "a.go", CODE)[0]
    assert document.text == "package main\n"
    assert document.labels == (("programming_language", "Go"),)


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
    documents, intake = read_with_intake(path, DOCSTRINGS)
    assert (documents, intake.read) == ([], 0)


def test_documents_are_counted_as_they_are_yielded(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""One."""\ndef f():\n    """Two."""\n')
    expected: list[tuple[FileSource, str]] = [
        (DOCSTRINGS, "One.\n\nTwo."),
        (TEXT, path.read_text()),
    ]
    for source, text in expected:
        documents, intake = read_with_intake(path, source)
        assert [document.text for document in documents] == [text]
        assert (intake.read, intake.taken) == (1, 1)
