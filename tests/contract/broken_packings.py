"""Kinds of broken and odd packed files: gzip and Zstandard."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

import zstandard
from broken_kinds import BOTH, FIRST, LAST, Kind, line

_LINES = (line(text=FIRST), line(text=LAST))
_GZIP = gzip.compress(b"".join(_LINES), mtime=0)
_ZSTANDARD = zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(_LINES))
_SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


def _gzip(name: str, content: bytes, *taken: str, reason: str = "") -> Kind:
    return _packed(name, "gz", content, taken, reason)


def _zstandard(name: str, content: bytes, *taken: str, reason: str = "") -> Kind:
    return _packed(name, "zst", content, taken, reason)


def _packed(name: str, suffix: str, content: bytes, taken: tuple[str, ...], reason: str) -> Kind:
    return Kind(
        name=f"{suffix}-{name}",
        reader="jsonl",
        files={f"data.jsonl.{suffix}": content},
        taken=taken,
        reason=reason,
    )


def _cut_gzip() -> bytes:
    """Return a member that is cut right behind the first line's last packed byte."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(_LINES[0]) + packer.flush(zlib.Z_FULL_FLUSH)


def _cut_zstandard() -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    first = packer.compress(_LINES[0]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return first + (packer.compress(_LINES[1]) + packer.flush())[:-3]


def _sizeless() -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return packer.compress(b"".join(_LINES)) + packer.flush()


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


BROKEN_PACKINGS: Final = (
    _gzip("cut", _cut_gzip(), FIRST, reason="damaged"),
    _gzip("second-member-cut", _GZIP + _GZIP[:15], *BOTH, reason="damaged"),
    _gzip("wrong-checksum", _flipped(_GZIP, -6), reason="damaged"),
    _gzip("wrong-block", _flipped(_GZIP, 12), reason="damaged"),
    _gzip("not-packed", b"".join(_LINES), reason="damaged"),
    _gzip("trailing-garbage", _GZIP + b"garbage", *BOTH, reason="damaged"),
    _gzip("zstandard-inside", _ZSTANDARD, reason="damaged"),
    _gzip("members", gzip.compress(_LINES[0]) + gzip.compress(_LINES[1]), *BOTH),
    _gzip("empty-member", gzip.compress(b"") + _GZIP, *BOTH),
    _gzip("zero-padding", _GZIP + b"\0" * 512, *BOTH),
    _gzip("empty-file", b""),
    _zstandard("cut", _cut_zstandard(), FIRST, reason="damaged"),
    _zstandard("wrong-checksum", _flipped(_ZSTANDARD, -2), reason="damaged"),
    _zstandard("not-packed", b"".join(_LINES), reason="damaged"),
    _zstandard("trailing-garbage", _ZSTANDARD + b"garbage", *BOTH, reason="damaged"),
    _zstandard("skippable-frame", _SKIPPABLE + _ZSTANDARD + _SKIPPABLE, *BOTH),
    _zstandard("frames", _ZSTANDARD, *BOTH),
    _zstandard("no-content-size", _sizeless(), *BOTH),
    _zstandard("empty-file", b""),
    _zstandard(
        "bomb", zstandard.ZstdCompressor().compress(b"\0" * (1 << 23)), reason="broken JSON"
    ),
    Kind(
        name="gz-called-jsonl",
        reader="jsonl",
        files={"data.jsonl": _GZIP},
        pieces=_GZIP.rstrip(b"\n").count(b"\n") + 1,
        reason="not UTF-8",
    ),
)
