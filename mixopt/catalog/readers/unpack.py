"""Bytes of a file, unpacked by its suffix (`.gz`, `.zst` or none): as chunks, as lines, as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

import zstandard

from mixopt.catalog.locations import File, open_file
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError

MOST_BYTES = 1 << 28
"""Bytes of one line, or of one file that is read as a whole; what is longer is set aside."""

_CHUNK_BYTES = 1 << 18
# So little is unpacked at a time, as 1 KiB of zstandard can hold 32 MiB.
_FED_BYTES = 1 << 10
_LARGEST_WINDOW = 1 << 31  # of archives packed with `--long=31`


def unpacked_chunks(file: File) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file.

    Raises:
        DamagedFileError: the file cannot be opened, or ends or breaks within its packing; all
            that could be unpacked was yielded before.
    """
    offset = 0
    new_frame = next((_FRAMES[end] for end in _FRAMES if file.location.endswith(end)), None)
    chunks = _unpacked(file, new_frame) if new_frame else _plain_chunks(file)
    try:
        for chunk in chunks:
            yield chunk
            offset += len(chunk)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        what = f"damaged file: {error}"
        raise DamagedFileError(what, offset=offset) from error


def unpacked_lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield lines without their line ends; the last needs none; nothing for one that is too long.

    Raises:
        DamagedFileError: as for `unpacked_chunks`; a line that was cut off is not yielded.
    """
    rest: list[bytes] = []
    num_bytes = 0
    for chunk in chunks:
        *complete, tail = chunk.split(b"\n")
        if complete:
            yield _joined([*rest, complete[0]], num_bytes + len(complete[0]))
            yield from complete[1:]
            rest, num_bytes = [], 0
        num_bytes += len(tail)
        if num_bytes <= MOST_BYTES:
            rest.append(tail)
        else:
            rest.clear()
    if num_bytes:
        yield _joined(rest, num_bytes)


def unpacked_whole(file: File) -> bytes:
    """Return the unpacked bytes of a file.

    Raises:
        DamagedFileError: as for `unpacked_chunks`.
        BadRecordError: they are too many.
    """
    return b"".join(few_chunks(unpacked_chunks(file)))


def few_chunks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks that are to be held together.

    Raises:
        BadRecordError: their bytes are too many.
    """
    num_bytes = 0
    for chunk in chunks:
        num_bytes += len(chunk)
        if num_bytes > MOST_BYTES:
            what = f"longer than {MOST_BYTES:,} bytes"
            raise BadRecordError(what)
        yield chunk


def _joined(parts: list[bytes], num_bytes: int) -> bytes | None:
    return b"".join(parts) if num_bytes <= MOST_BYTES else None


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
    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()


_FRAMES: Mapping[str, Callable[[], _Frame]] = MappingProxyType(
    {".gz": _gzip_frame, ".zst": _zstandard_frame, ".zstd": _zstandard_frame}
)


def _plain_chunks(file: File) -> Iterator[bytes]:
    with open_file(file) as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            yield chunk


def _unpacked(file: File, new_frame: Callable[[], _Frame]) -> Iterator[bytes]:
    """Yield what all frames hold, in chunks of a size that is worth the work on each."""
    gathered: list[bytes] = []
    num_bytes = 0
    try:
        for piece in _frame_pieces(file, new_frame):
            gathered.append(piece)
            num_bytes += len(piece)
            if num_bytes >= _CHUNK_BYTES:
                yield b"".join(gathered)
                gathered, num_bytes = [], 0
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        if gathered:
            yield b"".join(gathered)
        raise
    if gathered:
        yield b"".join(gathered)


def _frame_pieces(file: File, new_frame: Callable[[], _Frame]) -> Iterator[bytes]:
    """Yield what all frames of a file hold; all of a frame that is cut off, then an error.

    The readers of gzip and zstandard either drop the last bytes before a cut or do not notice it.
    """
    frame = new_frame()
    begun = False
    for packed in _plain_chunks(file):
        for at in range(0, len(packed), _FED_BYTES):
            rest = packed[at : at + _FED_BYTES]
            while rest:
                if frame.eof:
                    frame = new_frame()
                begun = True
                if piece := frame.decompress(rest):
                    yield piece
                # Zeros behind a frame are padding, as tapes have it.
                rest = frame.unused_data.lstrip(b"\0") if frame.eof else b""
    if begun and not frame.eof:
        message = "the packed data ends too early"
        raise EOFError(message)
