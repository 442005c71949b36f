"""The words of documents, and the hashes of all runs of so many words.

A word is a run of letters, digits and marks (categories L, N and M of Unicode), ASCII letters in
lower case. Scripts that are written without spaces (Han, kana, Thai, Lao, Burmese, Khmer) have a
word in every character. Everything else separates words and has no say.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import ZERO, Hash, Integer, mixed

VERSION = f"1-{unicodedata.unidata_version}"

_BASE = 0x9FB21C651E98DF25  # odd, of no other meaning
_FACTOR = np.uint64(_BASE)
_TURN = np.uint64(9)
_REST = np.uint64(64 - 9)
_SEPARATOR, _LETTER, _WORD = 0, 1, 2
_CHARACTER_WORDS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Words:
    """The words of D documents as hashes of all their beginnings.

    Attributes:
        prefixes: uint64 [words + D]; of each document one more than it has words: the hash of its
            first w words for w = 0, 1, ...
        starts: int64 [D + 1]; where the prefixes of each document begin, and the end of the last.
    """

    prefixes: NDArray[np.uint64]
    starts: NDArray[np.int64]


def read_words(content: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Words:
    """Return the words of documents.

    Args:
        content: uint8 [bytes]; the UTF-8 of all documents, end to end.
        offsets: int64 [D + 1]; where each document begins, and the end of the last.
    """
    prefixes = np.empty(len(content) // 2 + 2 * len(offsets), np.uint64)
    starts = np.empty_like(offsets)
    _hash_prefixes((content, offsets), _classes(), _letter_values(), prefixes, starts)
    return Words(prefixes=prefixes[: starts[-1]], starts=starts)


def power_of(words: int) -> np.uint64:
    """Return the factor that a beginning has in the hash of the run of words after it."""
    return np.uint64(pow(_BASE, words, 2**64))


@kernel
def run_hash(prefixes: NDArray[np.uint64], place: int, words: int, power: Hash) -> Hash:
    """Return the hash of a run of words.

    Beginnings are polynomials in a fixed base with the words' hashes as coefficients, modulo 2^64
    (Karp and Rabin, 1987), so that any run is the difference of two of them.

    Args:
        prefixes: see `Words`.
        place: index of the beginning that ends where the run starts.
        words: words in the run.
        power: `power_of(words)`.
    """
    return mixed(prefixes[place + words] - prefixes[place] * power)


@kernel
def num_runs(starts: NDArray[np.int64], document: Integer, words: int) -> Integer:
    """Return how many runs of so many words a document has."""
    return max(starts[document + 1] - starts[document] - words, 0)


@cache
def _classes() -> NDArray[np.uint8]:
    """Return what each character below U+10000 is; uint8 [65536]."""
    letters = [unicodedata.category(chr(code))[0] in "LNM" for code in range(1 << 16)]
    classes = np.where(letters, _LETTER, _SEPARATOR).astype(np.uint8)
    for first, last in _CHARACTER_WORDS:
        classes[first : last + 1] *= _WORD
    return classes


@cache
def _letter_values() -> NDArray[np.uint64]:
    """Return a number for each ASCII character, by the lower case; 0 for separators; uint64 [128]."""
    values = np.zeros(128, np.uint64)
    for code in range(128):
        letter = chr(code).lower()
        if letter.isalnum():
            values[code] = seeds.derive(0, "letters", letter)
    return values


@kernel
def _hash_prefixes(
    buffer: tuple[NDArray[np.uint8], NDArray[np.int64]],
    classes: NDArray[np.uint8],
    values: NDArray[np.uint64],
    prefixes: NDArray[np.uint64],
    starts: NDArray[np.int64],
) -> None:
    """Write the hashes of all beginnings of all documents, and where each document's begin."""
    content, offsets = buffer
    place = 0
    for document in range(offsets.size - 1):
        starts[document] = place
        end = _hash_words(
            content[offsets[document] : offsets[document + 1]], classes, values, prefixes, place + 1
        )
        prefixes[place] = ZERO
        for word in range(place + 1, end):
            prefixes[word] = prefixes[word - 1] * _FACTOR + mixed(prefixes[word])
        place = end
    starts[offsets.size - 1] = place


@kernel
def _hash_words(
    content: NDArray[np.uint8],
    classes: NDArray[np.uint8],
    values: NDArray[np.uint64],
    found: NDArray[np.uint64],
    place: Integer,
) -> Integer:
    """Write the hashes of the words of one document from a place on; return where they end.

    A word's hash is a cyclic polynomial of its characters' numbers (Cohen, 1997). For ASCII there
    is no branch in the loop, as where words end cannot be foretold.
    """
    word: Hash = ZERO
    inside: Integer = 0
    at: Integer = 0
    while at < content.size:
        value: Hash = ZERO
        if content[at] < 128:
            value = values[content[at]]
            at += 1
        else:
            code, at = _character(content, at)
            kind = classes[code] if code < 0x10000 else _class_beyond(code)
            if kind == _LETTER:
                value = mixed(np.uint64(code))
            elif kind == _WORD:
                found[place] = word
                place += inside
                word, inside = mixed(np.uint64(code)), 1
        letter = np.int64(value != ZERO)
        found[place] = word
        place += inside & (1 - letter)
        word = (((word << _TURN) | (word >> _REST)) ^ value) & (ZERO - np.uint64(letter))
        inside = letter
    found[place] = word
    return place + inside


@kernel
def _character(content: NDArray[np.uint8], at: Integer) -> tuple[Integer, Integer]:
    """Return the code of the character beyond ASCII that begins here, and where it ends."""
    first = np.int64(content[at])
    size = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2
    end = min(at + size, content.size)
    code = first & (0x7F >> size)
    for place in range(at + 1, end):
        code = (code << 6) | (np.int64(content[place]) & 0x3F)
    return code, end


@kernel
def _class_beyond(code: Integer) -> Integer:
    """Return what a character above U+FFFF is: Han, a picture or sign, or of another script."""
    if code >= 0x20000:
        return _WORD
    return _SEPARATOR if 0x1F000 <= code < 0x1FB00 else _LETTER
