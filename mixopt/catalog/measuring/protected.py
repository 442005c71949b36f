"""Texts that training documents should not hold, and which documents hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import islice
from operator import or_

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixopt.catalog.measuring.buffer import Buffer, fill_buffer
from mixopt.catalog.measuring.grams import every_gram
from mixopt.catalog.measuring.lines import LEAST_BYTES, LineShapes, line_hashes, mark_lines
from mixopt.catalog.measuring.matching import HashSets, mark_grams
from mixopt.catalog.measuring.words import Words, read_words
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.render import derivation, statement
from mixopt.tasks.sample import sample_problems

VERSION = "1"
TASKS = "tasks"
"""The set of the project's own task problems."""

_BATCH_TEXTS = 1000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ProtectedGrams:
    """Sets of protected texts as hashes of their n-grams; can be pickled.

    A text with fewer words than an n-gram counts where it stands as a line of its own; one that has
    several lines or fewer than ten bytes is left out, as it would be found where it is not.

    Attributes:
        words: words of an n-gram, n.
        names: of the sets.
        sets: of each set the hashes of n-grams, and of lines.
        shapes: of the lines.
        left_out: texts of each set that are too short to be looked for.
    """

    words: int
    names: tuple[str, ...]
    sets: HashSets
    shapes: LineShapes
    left_out: tuple[int, ...]

    @property
    def digest(self) -> str:
        """Names what documents are compared with."""
        content = hashlib.sha256(f"{VERSION} {self.words} {self.names}".encode())
        content.update(self.sets.hashes.tobytes() + self.sets.edges.tobytes())
        return content.hexdigest()[:16]


def protect(texts_by_name: Mapping[str, Iterable[str]], words: int) -> ProtectedGrams:
    """Return what finds these texts in documents.

    Args:
        texts_by_name: of each set; they are gone through once, some at a time.
        words: words of an n-gram.
    """
    found = {name: _protect_set(texts, words) for name, texts in texts_by_name.items()}
    shapes = (shapes for _, shapes, _ in found.values())
    return ProtectedGrams(
        words=words,
        names=tuple(found),
        sets=HashSets.of([hashes for hashes, _, _ in found.values()]),
        shapes=reduce(or_, shapes, LineShapes.of([])),
        left_out=tuple(left_out for _, _, left_out in found.values()),
    )


def protected_names(buffer: Buffer, words: Words, protected: ProtectedGrams) -> pa.ListArray:
    """Return the names of the sets that each of D documents shares a text with; string lists [D]."""
    marks = np.zeros((len(buffer.offsets) - 1, len(protected.names)), np.bool_)
    if protected.sets.hashes.size:
        mark_grams(words, protected.words, protected.sets, marks)
        mark_lines(buffer, protected.shapes, protected.sets, marks)
    offsets = np.concatenate([[0], np.cumsum(marks.sum(axis=1))])
    names = pa.array(protected.names, pa.string()).take(pa.array(np.nonzero(marks)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)


@cache
def tasks_texts(problems: int = 48) -> tuple[str, ...]:
    """Return held-out problems of the project's own tasks in all ways in which they are written.

    Of the validation and the test split of every family these are the problems that trials are
    measured on first, at the middle level and those beside it. A split that has fewer gives all.

    Args:
        problems: per family, level and split.
    """
    return tuple(
        text
        for family, kind in FAMILIES.items()
        for level in _middle_levels(kind.levels)
        for problem in _held_out(family, level, problems)
        for text in (problem.question, statement(problem), derivation(problem))
    )


def _middle_levels(levels: range) -> range:
    middle = len(levels) // 2
    return levels[max(middle - 1, 0) : middle + 2]


def _held_out(family: str, level: int, count: int) -> Iterator[Problem]:
    yield from sample_problems(
        family, level=level, split="validation", count=count, seed=0, at_most=True
    )
    yield from sample_problems(family, level=level, split="test", count=count, seed=0, at_most=True)


def _protect_set(texts: Iterable[str], words: int) -> tuple[NDArray[np.uint64], LineShapes, int]:
    """Return the hashes of a set, the shapes of its lines, and how many texts it left out."""
    found = [np.empty(0, np.uint64)]
    shapes, left_out = LineShapes.of([]), 0
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH_TEXTS)):
        encoded = [text.strip().encode() for text in batch]
        buffer = fill_buffer(encoded)
        read = read_words(buffer.content, buffer.offsets)
        lines, unusable = _short_lines(encoded, read, words)
        found += [every_gram(read, words), line_hashes(lines)]
        shapes |= LineShapes.of(lines)
        left_out += unusable
    return np.unique(np.concatenate(found)), shapes, left_out


def _short_lines(
    encoded: Sequence[bytes], words: Words, length: int
) -> tuple[Sequence[bytes], int]:
    """Return the texts without an n-gram that can stand as lines, and how many cannot."""
    short = np.flatnonzero(np.diff(words.starts) - 1 < length)
    texts = [encoded[document] for document in short.tolist()]
    lines = [text for text in texts if b"\n" not in text and len(text) >= LEAST_BYTES]
    return lines, len(texts) - len(lines)
