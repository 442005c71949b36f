"""Writers of one split of a domain: documents in any order in, sorted arrays and a record out."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.documents import Document, Split
from mixopt.corpus.conversations import Example, encode_conversations, render_document
from mixopt.corpus.layout import SplitRecord, file_name, score_part
from mixopt.corpus.packing import pack
from mixopt.corpus.scores import LENGTH, DocumentScores, row_means
from mixopt.corpus.spool import ContentOrder, Spool
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import CatalogError

Arrays = dict[str, NDArray[np.generic]]


class SplitWriter(ABC):
    """Takes the documents of one split as they are read; to be closed, whatever happens."""

    def __init__(self, folder: Path, split: Split, tokenizer: Tokenizer) -> None:
        self._folder = folder
        self._split = split
        self._tokenizer = tokenizer
        self._order = ContentOrder()
        self._scores = DocumentScores()

    @abstractmethod
    def add(self, documents: Sequence[Document]) -> None:
        """Take some more documents.

        Raises:
            CatalogError: a document holds tokens that its tokenizer does not have.
        """

    @abstractmethod
    def finish(self) -> SplitRecord:
        """Write the files of all documents, and return what they hold."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the documents take up in memory and in temporary files."""

    def _write_arrays(self, arrays: Arrays) -> dict[str, int]:
        """Write one file per array; return the bytes of each by name."""
        for part, array in arrays.items():
            write_synced(self._folder / file_name(self._split, part), array.data)
        return {file_name(self._split, part): array.nbytes for part, array in arrays.items()}


class TextWriter(SplitWriter):
    """Texts end to end; tokens wait on disk, so memory holds some hundred bytes of every document."""

    def __init__(self, folder: Path, split: Split, tokenizer: Tokenizer) -> None:
        super().__init__(folder, split, tokenizer)
        self._spool = Spool(folder / f"{split}.spool.bin", tokenizer.storage_type)
        self._documents = self._num_bytes = 0

    def add(self, documents: Sequence[Document]) -> None:
        """Take some more documents."""
        texts = [render_document(document) for document in documents]
        end = np.array([self._tokenizer.end_of_text], np.uint32)
        encoded = encode_documents(documents, texts, self._tokenizer)
        for document, text, tokens in zip(documents, texts, encoded, strict=True):
            self._spool.add(self._order.key(document.identity), np.concatenate((tokens, end)))
            self._scores.add(document, text)
        self._documents += len(documents)
        self._num_bytes += sum(len(text.encode()) for text in texts)

    def finish(self) -> SplitRecord:
        """Write the tokens, where each document begins, and its scores."""
        path = self._folder / file_name(self._split, "tokens")
        with path.open("wb") as file:
            places, offsets = self._spool.write_sorted(file)
            sync(file)
        columns = self._scores.columns(places)
        files = self._write_arrays({"documents": offsets.astype("<i8"), **_score_arrays(columns)})
        return SplitRecord(
            documents=self._documents,
            dropped=0,
            num_tokens=int(offsets[-1]),
            num_bytes=self._num_bytes,
            num_rows=0,
            scores=tuple(columns),
            files={path.name: path.stat().st_size, **files},
        )

    def close(self) -> None:
        """Remove the spool."""
        self._spool.close()


class RowWriter(SplitWriter):
    """Conversations packed into rows, first-fit over all of them, so all are in memory.

    That is five bytes of every token and half a kilobyte of every conversation while they come in,
    and nine bytes of every place of a row when they are packed.
    """

    def __init__(self, folder: Path, split: Split, tokenizer: Tokenizer, context: int) -> None:
        super().__init__(folder, split, tokenizer)
        self._context = context
        self._keys: list[str] = []
        self._examples: list[Example] = []
        self._dropped = 0

    def add(self, documents: Sequence[Document]) -> None:
        """Take some more conversations; those without an answer, or too long for a row, are dropped."""
        messages = [document.messages for document in documents]
        examples = encode_conversations(messages, self._tokenizer)
        for document, example in zip(documents, examples, strict=True):
            if example is None or len(example.tokens) > self._context + 1:
                self._dropped += 1
                continue
            self._keys.append(self._order.key(document.identity))
            self._examples.append(example)
            self._scores.add(document, render_document(document))

    def finish(self) -> SplitRecord:
        """Write the rows in content order, and the mean scores of each."""
        places = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        examples = [self._examples[place] for place in places]
        packed = pack(examples, row_length=self._context + 1, padding=self._tokenizer.end_of_text)
        lengths = np.array([len(example.tokens) for example in examples], np.int64)
        scores = self._scores.columns(np.asarray(places, np.int64))
        scores |= {LENGTH: lengths.astype(np.float32)}
        columns = {
            name: row_means(packed.rows, lengths, column).astype(np.float32)
            for name, column in scores.items()
        }
        arrays: Arrays = {
            "tokens": packed.tokens.astype(self._tokenizer.storage_type),
            "answers": packed.answers,
            "segments": packed.segments.astype("<i4", copy=False),
            **_score_arrays(columns),
        }
        return SplitRecord(
            documents=len(examples),
            dropped=self._dropped,
            num_tokens=int(lengths.sum()),
            num_bytes=sum(example.num_bytes for example in examples),
            num_rows=len(packed.tokens),
            scores=tuple(columns),
            files=self._write_arrays(arrays),
        )

    def close(self) -> None:
        """Let go of the conversations."""
        self._keys.clear()
        self._examples.clear()


def encode_documents(
    documents: Sequence[Document], texts: Sequence[str], tokenizer: Tokenizer
) -> list[NDArray[np.uint32]]:
    """Return the ids of each document: its source's own where the tokenizer is the same.

    Tokens are not made anew from their text: not every row of tokens is what its text encodes to.

    Args:
        documents: with tokens or without.
        texts: what each is written as.
        tokenizer: of the store.

    Raises:
        CatalogError: an id is not in the vocabulary.
    """
    kept = [None if d.tokenizer != tokenizer.digest else d.tokens for d in documents]
    encoded = iter(
        tokenizer.encode_batch(
            [text for text, tokens in zip(texts, kept, strict=True) if tokens is None]
        )
    )
    return [next(encoded) if tokens is None else _own_tokens(tokens, tokenizer) for tokens in kept]


def write_synced(path: Path, content: bytes | memoryview) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        sync(file)


def sync(file: BinaryIO) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _own_tokens(tokens: NDArray[np.unsignedinteger], tokenizer: Tokenizer) -> NDArray[np.uint32]:
    if tokens.size and int(tokens.max()) >= tokenizer.size:
        what = f"a document has the token {int(tokens.max()):,}"
        raise CatalogError(
            what,
            why=f"Tokenizer '{tokenizer.name}' has ids below {tokenizer.size:,}.",
            remedy="Name the tokenizer that made these tokens in the source of the catalog recipe.",
        )
    return tokens.astype(np.uint32)


def _score_arrays(columns: dict[str, NDArray[np.float32]]) -> Arrays:
    return {score_part(name): column.astype("<f4", copy=False) for name, column in columns.items()}
