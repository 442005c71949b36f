"""Looking up many hashes in sets of hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import ONE, ZERO, Hash
from mixopt.catalog.measuring.words import Words, num_runs, power_of, run_hash

Tables = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64]]

_LEAST_BITS = 10
_BITS_PER_HASH = 16
_WORD_BITS = np.uint64(6)
_IN_WORD = np.uint64(63)
_HALF = np.uint64(32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HashSets:
    """Sets of hashes, S of them; can be pickled.

    Attributes:
        hashes: uint64 [N]; set by set, sorted within each.
        edges: int64 [S + 1]; where each set begins, and the end of the last.
        bits: uint64 [2^b / 64]; bit i is set where either half of some hash ends with the b bits
            of i, which tells nearly all hashes that are in no set (Bloom, 1970).
    """

    hashes: NDArray[np.uint64]
    edges: NDArray[np.int64]
    bits: NDArray[np.uint64]

    @classmethod
    def of(cls, sets: Sequence[NDArray[np.uint64]]) -> Self:
        """Return the sets of these hashes, each sorted."""
        hashes = np.concatenate([np.empty(0, np.uint64), *sets])
        edges = np.cumsum([0, *map(len, sets)], dtype=np.int64)
        width = min(max((_BITS_PER_HASH * len(hashes)).bit_length(), _LEAST_BITS), 32)
        flags = np.zeros(1 << width, np.uint8)
        for half in (hashes, hashes >> _HALF):
            flags[half & np.uint64((1 << width) - 1)] = 1
        bits = np.packbits(flags, bitorder="little").view(np.uint64)
        return cls(hashes=hashes, edges=edges, bits=bits)

    @property
    def tables(self) -> Tables:
        """The hashes, edges and bits, as compiled loops take them."""
        return self.hashes, self.edges, self.bits


def mark_grams(words: Words, length: int, sets: HashSets, marks: NDArray[np.bool_]) -> None:
    """Mark the sets that hold an n-gram of a document.

    Args:
        words: of D documents.
        length: words of an n-gram.
        sets: hashes of n-grams.
        marks: bool [D, S]; True where there is one, else left as it is.
    """
    gram = (length, power_of(length))
    _mark_grams(words.prefixes, words.starts, gram, sets.tables, marks)


@kernel
def _mark_grams(
    prefixes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    gram: tuple[int, Hash],
    tables: Tables,
    marks: NDArray[np.bool_],
) -> None:
    length, power = gram
    hashes, edges, bits = tables
    for document in range(starts.size - 1):
        for first in range(num_runs(starts, document, length)):
            key = run_hash(prefixes, starts[document] + first, length, power)
            if may_hold(bits, key):
                mark(key, hashes, edges, marks[document])


@kernel
def may_hold(bits: NDArray[np.uint64], key: Hash) -> bool:
    """Return whether a hash may be in some set; see `HashSets.bits`."""
    mask = np.uint64(bits.size * 64 - 1)
    high, low = (key >> _HALF) & mask, key & mask
    found = (bits[high >> _WORD_BITS] >> (high & _IN_WORD)) & ONE
    if found == ZERO:
        return False
    return bool((bits[low >> _WORD_BITS] >> (low & _IN_WORD)) & ONE)


@kernel
def mark(
    key: Hash, hashes: NDArray[np.uint64], edges: NDArray[np.int64], marks: NDArray[np.bool_]
) -> None:
    """Mark the sets that hold a hash.

    Args:
        key: the hash.
        hashes: see `HashSets`.
        edges: see `HashSets`.
        marks: bool [S]; True where it is there, else left as it is.
    """
    for number in range(marks.size):
        low, high = edges[number], edges[number + 1]
        while low < high:
            middle = (low + high) // 2
            if hashes[middle] < key:
                low = middle + 1
            else:
                high = middle
        if low < edges[number + 1] and hashes[low] == key:
            marks[number] = True
