"""Whole documents in rows: cut only where they are longer than a row, and placed so that rows are full."""

from __future__ import annotations

import contextlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixopt import atomic

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pieces:
    """Documents, and parts of those that are longer than a row; P of them, in stored order.

    Attributes:
        starts: int64 [P]; the place of the first token in the stored tokens.
        lengths: int64 [P]; tokens.
        documents: int64 [P]; the number of the document.
        goes_on: bool [P]; whether it is a later part of its document.
    """

    starts: Numbers
    lengths: Numbers
    documents: Numbers
    goes_on: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WholeRows:
    """Pieces in R rows of one length.

    Attributes:
        pieces: row by row.
        bounds: int64 [R + 1]; the first piece of each row.
        row_length: tokens of a row, T+1.
    """

    pieces: Pieces
    bounds: Numbers
    row_length: int

    @property
    def num_rows(self) -> int:
        """R."""
        return len(self.bounds) - 1

    def gather(
        self, tokens: NDArray[np.unsignedinteger], ids: Numbers, padding: int
    ) -> tuple[Numbers, NDArray[np.bool_]]:
        """Return rows by number: tokens int64 [B, T+1] and bool [B, T+1], True on real targets.

        Padding is none. Nor is the first token of a later part of a document behind something
        else: it was learned at the end of the part before, and does not follow what stands here.

        Args:
            tokens: the stored tokens of all documents.
            ids: int64 [B], each in [0, R).
            padding: id of the token that fills a row up.
        """
        first, last = self.bounds[ids], self.bounds[ids + 1]
        counts = last - first
        taken = np.repeat(first - _before(counts), counts) + np.arange(counts.sum())
        lengths = self.pieces.lengths[taken]
        begins = _before(lengths)
        places = np.repeat(self.pieces.starts[taken] - begins, lengths) + np.arange(lengths.sum())
        rows = np.repeat(np.arange(len(ids)), counts)
        filled = np.bincount(rows, weights=lengths, minlength=len(ids))
        real = np.arange(self.row_length) < filled[:, None]
        found = np.full(real.shape, padding, np.int64)
        found[real] = tokens[places]
        targets = np.ones(len(places), np.bool_)
        targets[begins[self.pieces.goes_on[taken]]] = False
        answers = np.zeros_like(real)
        answers[real] = targets
        return found, answers

    def means(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the token-weighted mean over each row's pieces of a value of documents; [R]."""
        lengths, rows = self.pieces.lengths, np.repeat(np.arange(self.num_rows), self._counts)
        sums = np.bincount(rows, lengths * values[self.pieces.documents], minlength=self.num_rows)
        return np.asarray(sums / np.bincount(rows, lengths, minlength=self.num_rows))

    @property
    def _counts(self) -> Numbers:
        return np.diff(self.bounds)


def read_whole(path: Path, offsets: Numbers, row_length: int) -> WholeRows:
    """Return the rows of documents that stand at `offsets`, found before or now.

    Args:
        path: a file that keeps which row each piece is in; one that is missing, damaged or of
            other documents is written anew, where that can be done.
        offsets: int64 [documents + 1]; first token of each document, and the end of the last.
        row_length: tokens of a row, at least 2.
    """
    pieces = cut(offsets, row_length)
    rows = _kept(path, pieces, row_length)
    if rows is None:
        rows = best_fit(pieces.lengths, row_length)
        content = io.BytesIO()
        np.savez(content, rows=rows)
        with contextlib.suppress(OSError):  # a corpus that may only be read works as well
            atomic.write(path, content.getvalue())
    order = np.argsort(rows, kind="stable")
    return WholeRows(
        pieces=Pieces(
            starts=pieces.starts[order],
            lengths=pieces.lengths[order],
            documents=pieces.documents[order],
            goes_on=pieces.goes_on[order],
        ),
        bounds=np.append(0, np.cumsum(np.bincount(rows))) if len(rows) else np.zeros(1, np.int64),
        row_length=row_length,
    )


def cut(offsets: Numbers, row_length: int) -> Pieces:
    """Return documents as pieces of at most a row.

    The parts of a long document share a token, as neighbouring sequences of a stream do: so every
    token but its first is a target exactly once.
    """
    lengths, stride = np.diff(offsets), row_length - 1
    counts = np.maximum(-(-(lengths - 1) // stride), 1)
    documents = np.repeat(np.arange(len(lengths)), counts)
    parts = np.arange(len(documents)) - np.repeat(_before(counts), counts)
    starts = offsets[documents] + parts * stride
    return Pieces(
        starts=starts,
        lengths=np.minimum(row_length, offsets[documents + 1] - starts),
        documents=documents,
        goes_on=parts > 0,
    )


def best_fit(lengths: Numbers, capacity: int) -> NDArray[np.int32]:
    """Return the row of each piece by best-fit decreasing.

    The longest piece comes first, and each goes into the row with the least room that holds it
    (Ding et al. 2024, "Fewer truncations improve language modeling", section 3). Pieces of one
    length go into rows of one room as a block: a row with room r takes r // l of them before the
    next row is the best, so the cost is one step per block and not per piece.

    Args:
        lengths: int64 [P], each from 1 to the capacity.
        capacity: tokens of a row.

    Returns:
        Rows from 0 without gaps, [P].
    """
    order = np.argsort(capacity - lengths, kind="stable")
    rows = np.empty(len(lengths), np.int32)
    shelf = _Shelf(capacity)
    distinct, counts = np.unique(lengths, return_counts=True)
    start = 0
    for length, count in zip(distinct[::-1].tolist(), counts[::-1].tolist(), strict=True):
        stop = start + count
        while start < stop:
            placed = shelf.place(length, stop - start)
            rows[order[start : start + len(placed)]] = placed
            start += len(placed)
    return rows


class _Shelf:
    """Rows by the room that is left in them, in blocks."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._num_rows = 0
        self._blocks: list[list[NDArray[np.int32]]] = [[] for _ in range(capacity + 1)]
        self._some = np.zeros(capacity + 1, np.bool_)  # rooms that some row has

    def place(self, length: int, count: int) -> NDArray[np.int32]:
        """Place up to `count` pieces of one length, and return the rows of those placed."""
        room, block = self._best(length, count)
        each = room // length
        placed = np.repeat(block, each)[:count]
        full = len(placed) // each
        self._put(room - each * length, block[:full])
        self._put(room - len(placed) % each * length, block[full:])
        return placed

    def _best(self, length: int, count: int) -> tuple[int, NDArray[np.int32]]:
        """Take a block of rows with the least room for a length, as many as `count` pieces need."""
        room = length + int(np.argmax(self._some[length:]))
        if not self._some[room]:
            needed = -(-count // (self._capacity // length))
            self._num_rows += needed
            return self._capacity, np.arange(
                self._num_rows - needed, self._num_rows, dtype=np.int32
            )
        block = self._blocks[room].pop()
        self._some[room] = bool(self._blocks[room])
        needed = -(-count // (room // length))
        self._put(room, block[needed:])
        return room, block[:needed]

    def _put(self, room: int, block: NDArray[np.int32]) -> None:
        if len(block) and room:
            self._blocks[room].append(block)
            self._some[room] = True


def _kept(path: Path, pieces: Pieces, row_length: int) -> NDArray[np.int32] | None:
    """Return the rows that a file keeps, if it is whole and they hold these pieces."""
    try:
        with path.open("rb") as content, np.load(content) as file:
            rows: NDArray[np.int32] = file["rows"]  # checks the content's checksum
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None
    if rows.dtype != np.int32 or rows.shape != pieces.lengths.shape:
        return None
    if len(rows) and rows.min() < 0:
        return None
    filled = np.bincount(rows, pieces.lengths)
    return rows if ((filled > 0) & (filled <= row_length)).all() else None


def _before(counts: Numbers) -> Numbers:
    """Return the sum of all counts before each."""
    return np.asarray(np.cumsum(counts) - counts)
