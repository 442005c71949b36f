"""Flat arrays of tokens: with a header or bare, documents across blocks, padding, and damage."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import file_at
from mixopt.catalog.readers import tokens
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import TokenArraySource
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer

END = ByteTokenizer.end_of_text
SOURCE = TokenArraySource(reader="tokens", path="x", tokenizer="bytes")
TEXTS = ["one", "zwölf", "x" * 50]


def flat(*texts: str, end: int = END) -> list[int]:
    return [token for text in texts for token in (*text.encode(), end)]


def with_header(values: ArrayLike, dtype: str = "<u2") -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(values, dtype))
    return buffer.getvalue()


def read(
    path: Path, content: bytes, source: TokenArraySource = SOURCE
) -> tuple[list[Document], Intake]:
    path.write_bytes(content)
    intake = Intake()
    documents = list(tokens.read_tokens(file_at(str(path)), source, intake, load=load_tokenizer))
    assert intake.taken == len(documents)
    return documents, intake


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", "<u4", "<i8"])
def test_arrays_with_a_header_say_their_type(tmp_path: Path, dtype: str) -> None:
    documents, intake = read(tmp_path / "a.npy", with_header(flat(*TEXTS), dtype))
    assert [document.text for document in documents] == TEXTS
    assert not intake.entries
    assert documents[1].tokens is not None
    assert documents[1].tokens.tolist() == list(TEXTS[1].encode())
    assert {document.tokenizer for document in documents} == {ByteTokenizer.digest}


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int64"])
def test_bare_arrays_have_the_type_of_their_source(tmp_path: Path, dtype: str) -> None:
    source = TokenArraySource.model_validate({**dict(SOURCE), "dtype": dtype})
    documents, intake = read(tmp_path / "a.npy", np.array(flat(*TEXTS), dtype).tobytes(), source)
    assert [document.text for document in documents] == TEXTS
    assert not intake.entries


def test_documents_may_be_longer_than_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [chr(97 + n) * length for n, length in enumerate((1, 7, 8, 9, 40, 3, 64, 65, 2))]
    for block_bytes in (8, 16, 64, 1 << 20):
        monkeypatch.setattr(tokens, "_BLOCK_BYTES", block_bytes)
        documents, intake = read(tmp_path / "a.npy", with_header(flat(*texts)))
        assert [document.text for document in documents] == texts
        assert not intake.entries


def test_the_last_document_may_lack_its_end_and_padding_is_none(tmp_path: Path) -> None:
    values = [END, END, *flat("one"), END, *flat("two")[:-1]]
    documents, intake = read(tmp_path / "a.npy", with_header(values))
    assert [document.text for document in documents] == ["one", "two"]
    assert intake.read == 2


def test_packed_rows_are_read_one_after_the_other(tmp_path: Path) -> None:
    rows = np.array([*flat(*TEXTS), END], "<u2").reshape(-1, 7)
    assert [document.text for document in read(tmp_path / "a.npy", with_header(rows))[0]] == TEXTS
    _, intake = read(tmp_path / "b.npy", with_header(np.asfortranarray(rows)))
    assert "stored by columns" in intake.entries[0].reason


def test_another_token_may_end_documents(tmp_path: Path) -> None:
    source = TokenArraySource(reader="tokens", path="x", tokenizer="bytes", end_of_document=10)
    documents, _ = read(tmp_path / "a.npy", with_header(flat(*TEXTS, end=10)), source)
    assert [document.text for document in documents] == TEXTS


def test_ids_that_the_tokenizer_does_not_know_are_set_aside_alone(tmp_path: Path) -> None:
    values = [*flat("one"), 65, 9000, END, *flat("two"), -1, END, END, 255, 65]
    documents, intake = read(tmp_path / "a.npy", with_header(values, "<i4"))
    assert [document.text for document in documents] == ["one", "two", "\ufffdA"]
    header = len(with_header([], "<i4"))
    assert [entry.offset for entry in intake.entries] == [header + 16, header + 44]
    reason = "the id 9000 is none of the 257 of tokenizer 'bytes'"
    assert intake.entries[0].reason == reason
    assert intake.entries[1].reason.startswith("the id -1 is none")


@pytest.mark.parametrize(("start", "cut"), [(0, -5), (0, -4), (128, -3)])
def test_a_document_that_is_cut_off_is_not_taken(tmp_path: Path, start: int, cut: int) -> None:
    content = with_header(flat(*TEXTS, "last"))
    documents, intake = read(tmp_path / "a.npy", content[start:cut])
    assert [document.text for document in documents] == TEXTS
    assert [entry.unit for entry in intake.entries] == ["byte"]
    assert intake.entries[0].reason == "damaged file: it ends too early or within a token"


def test_a_document_without_an_end_is_set_aside_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 20)
    monkeypatch.setattr(tokens, "_BLOCK_BYTES", 16)
    documents, intake = read(tmp_path / "a.npy", with_header(flat("one", "x" * 21, "y" * 20)))
    assert [document.text for document in documents] == ["one", "y" * 20]
    assert [(entry.unit, entry.offset) for entry in intake.entries] == [("byte", 128 + 8)]
    assert intake.entries[0].reason.startswith("longer than")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<u2'", "damaged header"),
        (b"\x93NUMPY\x09\x00rubbish", "damaged header"),
        (with_header([1.5], "<f4"), "the tokens are stored as float32"),
        (with_header([1], "u1"), "the tokens are stored as uint8, which cannot hold the end"),
        (with_header([32, 10]), "empty document"),
    ],
)
def test_what_is_no_array_of_tokens_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    documents, intake = read(tmp_path / "a.npy", content)
    assert not documents
    assert [entry.unit for entry in intake.entries] == ["byte"]
    assert intake.entries[0].reason.startswith(reason)


def test_an_empty_file_holds_nothing_and_one_that_is_gone_is_set_aside(tmp_path: Path) -> None:
    documents, intake = read(tmp_path / "a.npy", b"")
    assert (documents, intake.read) == ([], 0)
    file = file_at(str(tmp_path / "a.npy"))
    (tmp_path / "a.npy").unlink()
    assert not list(tokens.read_tokens(file, SOURCE, intake, load=load_tokenizer))
    assert "No such file" in intake.entries[0].reason
