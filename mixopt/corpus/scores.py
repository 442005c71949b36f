"""Scores: numbers of documents that a stage may be ordered by, and what they make of sequences."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.documents import Document
from mixopt.catalog.measuring.compressibility import compressibility

LENGTH: Final = "length"  # tokens of the document, end_of_text included
COMPRESSIBILITY: Final = "compressibility"  # of its text, as the catalog measures it


class DocumentScores:
    """Scores of the documents of one split, in the order they are added.

    A score that some document does not have is dropped: an order by it would mean nothing.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self._count = 0

    def add(self, document: Document, text: str) -> None:
        """Score one more document; `text` is what it is trained on."""
        found = {COMPRESSIBILITY: compressibility(text.encode()), **dict(document.scores)}
        if self._count == 0:
            self._columns = {name: [] for name in found}
        if not self._columns.keys() <= found.keys():
            self._columns = {name: self._columns[name] for name in self._columns if name in found}
        for name, column in self._columns.items():
            column.append(found[name])
        self._count += 1

    def columns(self, order: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return each score of all documents, in another order; [documents]."""
        return {
            name: np.asarray(column, np.float32)[order]
            for name, column in sorted(self._columns.items())
        }


def window_means(
    offsets: NDArray[np.int64], values: NDArray[np.floating], context: int, count: int
) -> NDArray[np.float64]:
    """Return the mean over each sequence's targets of the value of their document; [count].

    Args:
        offsets: int64 [documents + 1]; first token of each document, and the end of the last.
        values: [documents].
        context: targets per sequence, T; those of sequence i are tokens i*T + 1 to i*T + T.
        count: sequences.
    """
    starts = np.arange(count + 1) * context + 1
    inside = offsets[(offsets > 1) & (offsets < starts[-1])]
    edges = np.unique(np.concatenate([starts, inside]))
    documents = np.searchsorted(offsets, edges[:-1], side="right") - 1
    sequences = (edges[:-1] - 1) // context
    sums = np.bincount(sequences, np.diff(edges) * values[documents], minlength=count)
    return np.asarray(sums[:count] / context)


def row_means(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the token-weighted mean of the values of each row's examples; [rows].

    Args:
        rows: [examples], the row of each; every row has one.
        lengths: [examples], in tokens.
        values: [examples].
    """
    return np.asarray(np.bincount(rows, lengths * values) / np.bincount(rows, lengths))
