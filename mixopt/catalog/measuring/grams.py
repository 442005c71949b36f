"""Hashes of the n-grams of documents: every one, or a sample that equal n-grams are in or not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import ZERO, Hash, is_new, table_size
from mixopt.catalog.measuring.words import Words, num_runs, power_of, run_hash

VERSION = "1"
SAMPLED = 32
"""One of so many n-grams is in the sample: those whose hash is divisible by it.

Two documents that share a passage of g n-grams share one of the sample with a chance of
1 - (1 - 1/32)^g: 0.8 at 50 words more than an n-gram has, 0.99 at 145."""


def sampled_grams(words: Words, length: int) -> pa.ListArray:
    """Return the distinct hashes of the sampled n-grams of each document; uint64 lists [D].

    Args:
        words: of D documents.
        length: words of an n-gram, n; a document with fewer has none.
    """
    hashes, offsets = _grams(words, length, SAMPLED)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(hashes, pa.uint64()))


def every_gram(words: Words, length: int) -> NDArray[np.uint64]:
    """Return the hashes of the n-grams of all documents, distinct and sorted; uint64 [N]."""
    return np.unique(_grams(words, length, 1)[0])


def _grams(words: Words, length: int, step: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    found = np.empty(len(words.prefixes), np.uint64)
    offsets = np.zeros_like(words.starts)
    _list_grams(words.prefixes, words.starts, (length, power_of(length)), step, found, offsets)
    return found[: offsets[-1]], offsets


@kernel
def _list_grams(
    prefixes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    gram: tuple[int, Hash],
    step: int,
    found: NDArray[np.uint64],
    offsets: NDArray[np.int64],
) -> None:
    """Write hashes divisible by the step document by document, and where each document's end."""
    length, power = gram
    place = 0
    for document in range(starts.size - 1):
        begin = place
        for first in range(num_runs(starts, document, length)):
            gram_hash = run_hash(prefixes, starts[document] + first, length, power)
            if gram_hash % np.uint64(step) == ZERO:
                found[place] = gram_hash
                place += 1
        place = _drop_repeated(found, begin, place)
        offsets[document + 1] = place


@kernel
def _drop_repeated(found: NDArray[np.uint64], begin: int, end: int) -> int:
    """Move the first of equal hashes in [begin, end) to the front; return where those end."""
    table = np.zeros(table_size(end - begin), np.uint64)
    place = begin
    for each in range(begin, end):
        if is_new(table, found[each]):
            found[place] = found[each]
            place += 1
    return place
