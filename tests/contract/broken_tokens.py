"""Kinds of broken and odd files of tokens: Megatron's pairs and flat arrays."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from broken_kinds import BOTH, FIRST, LAST, Kind

_END = 256
_BYTES = {"tokenizer": "bytes"}
_UINT16 = 8  # Megatron's code of the type


def _ids(text: str) -> list[int]:
    return [*text.encode(), _END]


def _array(*documents: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.array([token for document in documents for token in document], "<u2")


def _index(sizes: Sequence[int], *, magic: bytes = b"MMIDIDX\0\0", kind: int = _UINT16) -> bytes:
    pointers = [2 * sum(sizes[:number]) for number in range(len(sizes))]
    head = struct.pack("<QBQQ", 1, kind, len(sizes), len(sizes) + 1)
    return b"".join(
        [
            magic + head,
            np.array(sizes, "<i4").tobytes(),
            np.array(pointers, "<i8").tobytes(),
            np.arange(len(sizes) + 1, dtype="<i8").tobytes(),
        ]
    )


def _pair(
    name: str, tokens: bytes, index: bytes | None, *taken: str, reason: str = "", pieces: int = 1
) -> Kind:
    files = {"data.bin": tokens} | ({"data.idx": index} if index is not None else {})
    return Kind(
        name=f"megatron-{name}",
        reader="megatron",
        files=files,
        taken=taken,
        options=_BYTES,
        reason=reason,
        pieces=pieces,
    )


def _flat(name: str, content: bytes, *taken: str, reason: str = "", pieces: int = 1) -> Kind:
    return Kind(
        name=f"npy-{name}",
        reader="tokens",
        files={"data.npy": content},
        taken=taken,
        options=_BYTES,
        reason=reason,
        pieces=pieces,
    )


def _saved(array: np.ndarray[Any, Any]) -> bytes:
    saved = io.BytesIO()
    np.save(saved, array, allow_pickle=True)
    return saved.getvalue()


_LISTED = [_ids(text) for text in BOTH]
_TOKENS = _array(*_LISTED).tobytes()
_SIZES = [len(ids) for ids in _LISTED]
_BEYOND = _array(_ids(FIRST), [9999, _END], _ids(LAST))
_BEYOND_SIZES = [_SIZES[0], 2, _SIZES[1]]
_HEADER = _saved(_array(*_LISTED))

BROKEN_TOKENS: Final = (
    _pair("whole", _TOKENS, _index(_SIZES), *BOTH),
    _pair("without-index", _TOKENS, None, reason="idx"),
    _pair("wrong-magic", _TOKENS, _index(_SIZES, magic=b"NOINDEX\0\0"), reason="damaged index"),
    _pair("unknown-type", _TOKENS, _index(_SIZES, kind=99), reason="type"),
    _pair("index-cut", _TOKENS, _index(_SIZES)[:-20], reason="ends too early"),
    _pair("index-empty", _TOKENS, b"", reason="damaged index"),
    _pair(
        "sizes-beyond-the-file", _TOKENS, _index([_SIZES[0], 10**6]), FIRST, reason="does not hold"
    ),
    _pair("negative-size", _TOKENS, _index([_SIZES[0], -3]), FIRST, reason="-3 tokens"),
    _pair("cut", _TOKENS[:-7], _index(_SIZES), FIRST, reason="does not hold"),
    _pair("empty-file", b"", _index(_SIZES), pieces=2, reason="does not hold"),
    _pair("unknown-ids", _BEYOND.tobytes(), _index(_BEYOND_SIZES), *BOTH, reason="9999"),
    _flat("with-header", _HEADER, *BOTH),
    _flat("bare", _TOKENS, *BOTH),
    _flat("no-last-end", _array(*_LISTED)[:-1].tobytes(), *BOTH),
    _flat("odd-byte-count", _TOKENS + b"\0", *BOTH, reason="ends too early"),
    _flat("header-cut", _HEADER[:20], reason="header"),
    _flat("header-of-nonsense", _HEADER[:10] + b"nonsense" + _HEADER[18:], reason="header"),
    _flat("cut", _HEADER[:-4], FIRST, reason="ends too early"),
    _flat("pickled-objects", _saved(np.array([{}], dtype=object)), reason="object"),
    _flat("fractions", _saved(np.array([1.5, 2.5])), reason="float64"),
    _flat("unknown-ids", _BEYOND.tobytes(), *BOTH, reason="9999"),
    _flat("empty-file", b""),
)
