"""Whole lines of documents, whatever their white space and the case of ASCII letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.measuring.buffer import Buffer
from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import ZERO, Hash, Integer, mixed
from mixopt.catalog.measuring.matching import HashSets, Tables, mark, may_hold

LEAST_BYTES = 10
"""Shorter lines are not looked for: they stand in many texts."""

_SEED = np.uint64(0xD6E8FEB86659FD93)
_BYTE = np.uint64(8)
_NEW_LINE = 10
_BLANK = 32
_BEGINNINGS = 1 << 12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LineShapes:
    """What tells most lines that are not looked for at once; can be pickled.

    Attributes:
        longest: bytes of the longest line that is looked for.
        beginnings: bool [4096]; by a number made of three characters, whether some line that is
            looked for begins with them.
    """

    longest: int
    beginnings: NDArray[np.bool_]

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> Self:
        """Return what lines to look for have in common."""
        beginnings = np.zeros(_BEGINNINGS, np.bool_)
        for line in lines:
            beginnings[_beginning(np.frombuffer(line, np.uint8), 0, len(line))] = True
        return cls(longest=max(map(len, lines), default=0), beginnings=beginnings)

    def __or__(self, other: LineShapes) -> LineShapes:
        """Return what the lines of both have in common."""
        return LineShapes(
            longest=max(self.longest, other.longest), beginnings=self.beginnings | other.beginnings
        )


def line_hashes(lines: Sequence[bytes]) -> NDArray[np.uint64]:
    """Return the hashes of lines; uint64 [N]."""
    found = [_hash_line(np.frombuffer(line, np.uint8), 0, len(line)) for line in lines]
    return np.array(found, np.uint64)


def mark_lines(
    buffer: Buffer, shapes: LineShapes, sets: HashSets, marks: NDArray[np.bool_]
) -> None:
    """Mark the sets that hold a whole line of a document.

    Args:
        buffer: D documents.
        shapes: of the lines in the sets; one of more than twice the longest is none of them.
        sets: hashes of lines.
        marks: bool [D, S]; True where there is one, else left as it is.
    """
    breaks = np.append(np.flatnonzero(buffer.content == _NEW_LINE), len(buffer.content))
    lines = (buffer.content, buffer.offsets, breaks)
    _mark_lines(lines, (shapes.longest, shapes.beginnings), sets.tables, marks)


@kernel
def _mark_lines(
    lines: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]],
    shape: tuple[int, NDArray[np.bool_]],
    tables: Tables,
    marks: NDArray[np.bool_],
) -> None:
    content, offsets, breaks = lines
    longest, beginnings = shape
    hashes, edges, bits = tables
    number = 0
    for document in range(offsets.size - 1):
        start, end = offsets[document], offsets[document + 1]
        while start < end:
            while breaks[number] < start:
                number += 1
            stop = min(breaks[number], end)
            fits = LEAST_BYTES <= stop - start <= 2 * longest
            if fits and beginnings[_beginning(content, start, stop)]:
                key = _hash_line(content, start, stop)
                if may_hold(bits, key):
                    mark(key, hashes, edges, marks[document])
            start = stop + 1


@kernel
def _beginning(content: NDArray[np.uint8], start: int, stop: int) -> int:
    """Return a number below 4096 made of the first three characters that are not white space."""
    number, taken = 0, 0
    while start < stop and taken < 3:
        byte = np.int64(content[start])
        if byte > _BLANK:
            number = (number * 37 + _lower(byte)) & (_BEGINNINGS - 1)
            taken += 1
        start += 1
    return number


@kernel
def _hash_line(content: NDArray[np.uint8], start: int, stop: int) -> Hash:
    """Return the hash of a line with single blanks and none at its ends; bytes are mixed in eights."""
    hashed, gathered, length, blank = _SEED, ZERO, 0, False
    for place in range(start, stop):
        byte = np.int64(content[place])
        if byte <= _BLANK:
            blank = length > 0
            continue
        if blank or length == 8:
            hashed = mixed(hashed ^ gathered)
            gathered, length = ZERO, 0
        if blank:
            hashed = mixed(hashed)
            blank = False
        gathered = (gathered << _BYTE) | np.uint64(_lower(byte))
        length += 1
    return mixed(hashed ^ gathered)


@kernel
def _lower(byte: Integer) -> Integer:
    return byte + 32 * (0x41 <= byte <= 0x5A)
