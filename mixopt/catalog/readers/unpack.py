"""Bytes of a file, unpacked by its suffix (`.gz`, `.zst` or none), as chunks and as lines."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import zstandard

from mixopt.catalog.readers.quarantine import DamagedFileError

_CHUNK_BYTES = 1 << 18


def unpacked_chunks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file.

    Raises:
        DamagedFileError: the file cannot be opened, or ends or breaks within its packing; all
            that could be unpacked was yielded before.
    """
    offset = 0
    new_frame = _FRAMES.get(path.suffix)
    chunks = _frame_chunks(path, new_frame) if new_frame else _plain_chunks(path)
    try:
        for chunk in chunks:
            yield chunk
            offset += len(chunk)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        what = f"damaged file: {error}"
        raise DamagedFileError(what, offset=offset) from error


def unpacked_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file without their line ends; the last needs none.

    Raises:
        DamagedFileError: as for `unpacked_chunks`; a line that was cut off is not yielded.
    """
    rest: list[bytes] = []
    for chunk in unpacked_chunks(path):
        *complete, tail = chunk.split(b"\n")
        if complete:
            yield b"".join([*rest, complete[0]])
            yield from complete[1:]
            rest = [tail]
        else:
            rest.append(tail)
    if last := b"".join(rest):
        yield last


class _Frame(Protocol):
    """What zlib and zstandard have in common: unpacks one frame, and knows where it ended."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip_frame() -> _Frame:
    return zlib.decompressobj(wbits=31)  # 16 for the header of gzip, 15 for its largest window


def _zstandard_frame() -> _Frame:
    return zstandard.ZstdDecompressor().decompressobj()


_FRAMES: Mapping[str, Callable[[], _Frame]] = MappingProxyType(
    {".gz": _gzip_frame, ".zst": _zstandard_frame}
)


def _plain_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _frame_chunks(path: Path, new_frame: Callable[[], _Frame]) -> Iterator[bytes]:
    """Yield what all frames of a file hold; all of a frame that is cut off, then an error.

    The readers of gzip and zstandard either drop the last bytes before a cut or do not notice it.
    """
    frame = new_frame()
    begun = False
    for packed in _plain_chunks(path):
        rest = packed
        while rest:
            if frame.eof:
                frame = new_frame()
            begun = True
            if chunk := frame.decompress(rest):
                yield chunk
            # Zeros behind a frame are padding, as tapes have it.
            rest = frame.unused_data.lstrip(b"\0") if frame.eof else b""
    if begun and not frame.eof:
        message = "the packed data ends too early"
        raise EOFError(message)
