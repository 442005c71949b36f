"""Hashes of 64 bits inside compiled loops: of pieces of text, and sets of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.measuring.compiled import kernel

Hash = Any
"""One unsigned number of 64 bits; numba makes floats of it beside signed ones."""

Integer = Any
"""One signed number of 64 bits; inside compiled loops those of Python and of numpy are the same."""

ZERO = np.uint64(0)
ONE = np.uint64(1)
_HALF = np.uint64(32)
_SHIFT = np.uint64(29)
_FIRST = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xBF58476D1CE4E5B9)
_TABLE_SHIFT = np.uint64(24)


@kernel
def mixed(value: Hash) -> Hash:
    """Return a number all of whose bits depend on all bits of the value; distinct for distinct ones.

    Two rounds of multiplying and shifting, as in the finalizer of SplitMix64 (Steele, Lea and
    Flood, 2014).
    """
    value = (value ^ (value >> _HALF)) * _FIRST
    value = (value ^ (value >> _SHIFT)) * _SECOND
    return value ^ (value >> _HALF)


@kernel
def is_new(table: NDArray[np.uint64], key: Hash) -> bool:
    """Put a hash into a table, unless it is there already.

    Args:
        table: a power of two of places, more than there are hashes; 0 where there is none.
        key: the hash; 0 counts as being there.
    """
    mask = np.uint64(table.size - 1)
    place = (key >> _TABLE_SHIFT) & mask
    while table[place] != key:
        if table[place] == ZERO:
            table[place] = key
            return True
        place = (place + ONE) & mask
    return False


@kernel
def table_size(count: int) -> int:
    """Return how many places a table for so many hashes has: a power of two, half of it empty."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size
