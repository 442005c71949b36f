"""MinHash signatures of documents, and the similarity that two of them tell."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixopt.catalog.measuring.columns import SIGNATURE_BYTES
from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import Hash, Integer, mixed
from mixopt.catalog.measuring.words import Words, num_runs, power_of, run_hash

VERSION = "1"
SHINGLE_WORDS = 5
LEAST_SHINGLES = 5
"""A document with fewer has no signature: too many short texts are alike by chance."""

_BIN_SHIFT = np.uint64(64 - 7)
_EMPTY = np.uint64(2**64 - 1)
_CHANCE = 1 / 256


def signatures(words: Words) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the signature of each document's set of five-word shingles.

    One permutation hashing (Li, Owen and Zhang, 2012): the first seven bits of a shingle's hash
    are its bin, and each bin keeps its least hash. An empty bin takes the value of another one that
    a sequence of hashes of its own number chooses (Shrivastava, 2017, "Optimal densification for fast
    and accurate minwise hashing"). Of each value the last eight bits are kept (Li and Koenig, 2010,
    "b-bit minwise hashing").

    Args:
        words: of D documents.

    Returns:
        uint8 [D, 128], and bool [D]: whether a document is long enough to have one.
    """
    count = len(words.starts) - 1
    found = np.zeros((count, SIGNATURE_BYTES), np.uint8)
    long_enough = np.zeros(count, np.bool_)
    _sign(words.prefixes, words.starts, power_of(SHINGLE_WORDS), found, long_enough)
    return found, long_enough


def signature_column(words: Words) -> pa.BinaryArray:
    """Return the signatures of D documents, null where a document is too short."""
    found, long_enough = signatures(words)
    offsets = np.concatenate([[0], np.cumsum(long_enough * SIGNATURE_BYTES)]).astype(np.int32)
    valid = np.packbits(long_enough, bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(found[long_enough])]
    return pa.BinaryArray.from_buffers(pa.binary(), len(found), buffers)


def similarity(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the estimated Jaccard similarity of the shingles of pairs of documents; [N].

    Two bytes agree by chance once in 256 times, which is taken off; the standard error is about
    sqrt(J (1 - J) / 128), 0.035 at J = 0.8.

    Args:
        left: uint8 [N, 128]; signatures.
        right: uint8 [N, 128].
    """
    agreeing = np.mean(left == right, axis=1)
    return np.asarray(np.clip((agreeing - _CHANCE) / (1 - _CHANCE), 0, 1))


@kernel
def _sign(
    prefixes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    power: Hash,
    found: NDArray[np.uint8],
    long_enough: NDArray[np.bool_],
) -> None:
    least = np.empty(SIGNATURE_BYTES, np.uint64)
    for document in range(starts.size - 1):
        shingles = num_runs(starts, document, SHINGLE_WORDS)
        if shingles < LEAST_SHINGLES:
            continue
        long_enough[document] = True
        least[:] = _EMPTY
        for first in range(shingles):
            shingle = run_hash(prefixes, starts[document] + first, SHINGLE_WORDS, power)
            chosen = np.int64(shingle >> _BIN_SHIFT)
            least[chosen] = min(least[chosen], shingle)
        for place in range(SIGNATURE_BYTES):
            found[document, place] = np.uint8(least[_filled(least, place)] & np.uint64(0xFF))


@kernel
def _filled(least: NDArray[np.uint64], place: Integer) -> Integer:
    """Return a bin that is not empty: this one, or the first of its own sequence."""
    chosen, attempt = place, np.uint64(place << 32)
    while least[chosen] == _EMPTY:
        attempt += np.uint64(1)
        chosen = np.int64(mixed(attempt) >> _BIN_SHIFT)
    return chosen
