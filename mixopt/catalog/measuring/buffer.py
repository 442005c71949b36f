"""The bytes of a batch of documents, end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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


def fill_buffer(texts: Sequence[bytes]) -> Buffer:
    """Return texts, given in UTF-8, end to end."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return Buffer(content=np.frombuffer(b"".join(texts), np.uint8), offsets=offsets)
