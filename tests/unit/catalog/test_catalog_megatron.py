"""Megatron's indexed datasets: documents by the index, and indexes that do not fit."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers import megatron
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import MegatronSource
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer

END = ByteTokenizer.end_of_text
SOURCE = MegatronSource(reader="megatron", path="x", tokenizer="bytes")
TEXTS = ["one", "zwölf", "x" * 50]
CODES = {"<i2": 3, "<i4": 4, "<i8": 5, "<u2": 8}


def write(
    path: Path,
    documents: Sequence[Sequence[Sequence[int]]],
    *,
    dtype: str = "<u2",
    end: bytes = b"",
) -> Path:
    """Write documents, each a list of sequences, as the format is described."""
    sequences = [sequence for document in documents for sequence in document]
    lengths = [len(sequence) for sequence in sequences]
    places = np.cumsum([0, *lengths])[:-1] * np.dtype(dtype).itemsize
    bounds = np.cumsum([0, *(len(document) for document in documents)])
    values = [value for sequence in sequences for value in sequence]
    path.write_bytes(np.array(values, dtype).tobytes())
    head = struct.pack("<9sQBQQ", b"MMIDIDX\0\0", 1, CODES[dtype], len(sequences), len(bounds))
    arrays = ((lengths, "<i4"), (places, "<i8"), (bounds, "<i8"))
    body = b"".join(np.array(array, kind).tobytes() for array, kind in arrays)
    path.with_suffix(".idx").write_bytes(head + body + end)
    return path


def closed(*texts: str) -> list[list[list[int]]]:
    return [[[*text.encode(), END]] for text in texts]


def read(path: Path) -> tuple[list[Document], Intake]:
    intake = Intake()
    documents = list(
        megatron.read_megatron(file_at(str(path)), SOURCE, intake, load=load_tokenizer)
    )
    assert intake.taken == len(documents)
    return documents, intake


@pytest.mark.parametrize("dtype", CODES)
def test_documents_are_those_of_the_index(tmp_path: Path, dtype: str) -> None:
    documents, intake = read(write(tmp_path / "a_text.bin", closed(*TEXTS), dtype=dtype))
    assert [document.text for document in documents] == TEXTS
    assert not intake.entries
    assert documents[1].tokens is not None
    assert documents[1].tokens.tolist() == list(TEXTS[1].encode())
    assert {document.tokenizer for document in documents} == {ByteTokenizer.digest}


def test_only_one_end_token_at_the_end_is_left_out(tmp_path: Path) -> None:
    values = [[[65, END, END]], [[66]], [[67, END, 68, END]]]
    documents, _ = read(write(tmp_path / "a.bin", values))
    kept = [document.tokens.tolist() for document in documents if document.tokens is not None]
    assert kept == [[65, END], [66], [67, END, 68]]


def test_a_document_may_have_several_sequences_and_modes_are_passed_over(tmp_path: Path) -> None:
    values = [[[65], [66, END]], [[67, END]], [[68], [], [69], [70, END]]]
    documents, intake = read(write(tmp_path / "a.bin", values, end=bytes(7)))
    assert [document.text for document in documents] == ["AB", "C", "DEF"]
    assert not intake.entries


def test_the_index_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {n}" for n in range(23)]
    path = write(tmp_path / "a.bin", [[[65]], *closed(*texts), [[66], [67]]])
    for documents_at_once in (1, 5, 24, 25, 26):
        monkeypatch.setattr(megatron, "_DOCUMENTS", documents_at_once)
        documents, _ = read(path)
        assert [document.text for document in documents] == ["A", *texts, "BC"]


def test_documents_that_are_broken_are_set_aside_alone(tmp_path: Path) -> None:
    values = [*closed("one"), [[9000, END]], [[END]], [], *closed("two")]
    documents, intake = read(write(tmp_path / "a.bin", values))
    assert [document.text for document in documents] == ["one", "two"]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [
        ("byte", 8),
        ("byte", 12),
        ("byte", 0),
    ]
    assert intake.entries[0].reason == "the id 9000 is none of the 257 of tokenizer 'bytes'"
    assert {entry.reason for entry in intake.entries[1:]} == {"empty document"}


def test_documents_behind_a_cut_are_set_aside_each(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", closed("one", "two", "three", "four"))
    path.write_bytes(path.read_bytes()[:17])
    documents, intake = read(path)
    assert [document.text for document in documents] == ["one", "two"]
    assert [entry.offset for entry in intake.entries] == [16, 28]
    assert "6 tokens at byte 16" in intake.entries[0].reason


def test_an_index_that_points_nowhere_is_met_document_by_document(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", closed("one", "two", "three"))
    index = bytearray(path.with_suffix(".idx").read_bytes())
    index[34:38] = struct.pack("<i", -4)
    index[46 + 8 : 46 + 16] = struct.pack("<q", 1 << 40)
    path.with_suffix(".idx").write_bytes(index)
    documents, intake = read(path)
    assert [document.text for document in documents] == ["three"]
    assert [entry.offset for entry in intake.entries] == [0, 1 << 40]


@pytest.mark.parametrize(
    ("at", "content", "reason"),
    [
        (0, b"TNTIDX", "damaged index: it does not begin"),
        (9, b"\x02", "the index has the version 2"),
        (17, b"\x07", "the index has the version 1 and the type of tokens 7"),
        (18, b"\xff\xff", "damaged index: it ends too early"),
        (18, b"\x02", "damaged index: its documents are not all of its sequences"),
        (26, b"\x00", "damaged index: it ends too early"),
        (34 + 36 + 8, b"\x03", "damaged index: its documents are out of order"),
    ],
)
def test_an_index_that_does_not_fit_says_why(
    tmp_path: Path, at: int, content: bytes, reason: str
) -> None:
    path = write(tmp_path / "a.bin", closed(*TEXTS))
    index = bytearray(path.with_suffix(".idx").read_bytes())
    index[at : at + len(content)] = content
    path.with_suffix(".idx").write_bytes(index)
    documents, intake = read(path)
    assert not documents
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("file", 0)]
    assert intake.entries[0].reason.startswith(reason)


@pytest.mark.parametrize("kept", [0, 20, 40, -1])
def test_an_index_that_is_cut_off_or_gone_says_so(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "a.bin", closed(*TEXTS))
    index = path.with_suffix(".idx")
    index.write_bytes(index.read_bytes()[:kept])
    assert "damaged index" in read(path)[1].entries[0].reason
    index.unlink()
    assert "No such file" in read(path)[1].entries[0].reason


def test_a_document_that_is_too_long_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(megatron, "MOST_TOKENS", 10)
    documents, intake = read(write(tmp_path / "a.bin", closed(*TEXTS)))
    assert [document.text for document in documents] == TEXTS[:2]
    assert intake.entries[0].reason.startswith("longer than")


def test_what_megatron_itself_writes_is_read(tmp_path: Path) -> None:
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset")
    torch = pytest.importorskip("torch")
    builder = indexed.IndexedDatasetBuilder(str(tmp_path / "a.bin"), dtype=np.uint16)
    for text in TEXTS:
        values = torch.tensor([*text.encode(), END])
        builder.add_document(values, [len(values)])
    builder.finalize(str(tmp_path / "a.idx"))
    assert [document.text for document in read(tmp_path / "a.bin")[0]] == TEXTS
