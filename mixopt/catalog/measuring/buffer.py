"""The bytes of a batch of documents, end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Buffer:
    """The UTF-8 of D texts.

    Attributes:
        content: uint8 [bytes].
        offsets: int64 [D + 1]; where each text begins, and the end of the last.
    """

    content: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def document(self, number: int) -> bytes:
        """Return the bytes of one text."""
        return self.content[self.offsets[number] : self.offsets[number + 1]].tobytes()


def fill_buffer(texts: Sequence[str]) -> Buffer:
    """Return the UTF-8 of texts.

    Arrow leaves it with each text too, so that whoever encodes one again only copies it.
    """
    array = pa.array(texts, pa.large_string())
    _, ends, content = array.buffers()
    offsets = np.frombuffer(ends, np.int64)[: len(texts) + 1]
    return Buffer(content=np.frombuffer(content, np.uint8)[: offsets[-1]], offsets=offsets)
