"""Scores that a catalog attaches to documents, by their identity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixopt.catalog.documents import Document

_IDENTITY_DIGITS = 16  # 64 bits


class AttachedScores:
    """The attached scores of the documents of one domain.

    Args:
        rows: `score`, `identity` (the first 64 bits of it) and `value`, sorted by score and identity.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._columns = {}
        for name in sorted(rows["score"].unique().to_pylist()):
            found = rows.filter(pc.equal(rows["score"], name))
            self._columns[name] = (found["identity"].to_numpy(), found["value"].to_numpy())

    def added_to(self, document: Document, identity: str) -> Document:
        """Return the document with its attached scores beside those of its source."""
        number = np.uint64(int(identity[:_IDENTITY_DIGITS], 16))
        added = []
        for name, (identities, values) in self._columns.items():
            place = int(np.searchsorted(identities, number))
            if place < len(identities) and identities[place] == number:
                added.append((name, float(values[place])))
        if not added:
            return document
        return replace(document, scores=tuple(sorted((*document.scores, *added))))
