"""How well a text can be packed."""

from __future__ import annotations

from functools import cache

import zstandard

VERSION = "1"
MOST_BYTES = 1_000_000
_LEVEL = 1


def compressibility(content: bytes) -> float:
    """Return bytes after Zstandard (RFC 8878, level 1) over bytes; small is repetitive.

    Of more than a million bytes the first million are packed. Texts of some dozens of bytes come
    out above 1: a packed text has 9 bytes of its own, at least.
    """
    taken = content[:MOST_BYTES]
    return len(_compressor().compress(taken)) / max(len(taken), 1)


@cache
def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=_LEVEL)
