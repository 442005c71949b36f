"""Chunks of bytes read as one stream, in pieces of the size that a format asks for."""

from __future__ import annotations

from collections.abc import Iterator

from mixopt.catalog.readers.intake import DamagedFileError


class ByteStream:
    """Reads chunks forward; an error of theirs is raised once all before it was read.

    Attributes:
        offset: bytes that were read.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.offset = 0
        self._chunks = chunks
        self._chunk = b""
        self._at = 0
        self._error: DamagedFileError | None = None

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only where the stream ends or breaks.

        Raises:
            DamagedFileError: it breaks here.
        """
        parts: list[bytes] = []
        missing = size
        while missing and (self._at < len(self._chunk) or self._advance()):
            part = self._chunk[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
        if missing == size and size and self._error is not None:
            raise self._error
        self.offset += size - missing
        return b"".join(parts)

    def _advance(self) -> bool:
        """Go on to the next chunk that is not empty; return whether there is one."""
        self._chunk, self._at = b"", 0
        try:
            while self._error is None and not self._chunk:
                self._chunk = next(self._chunks)
        except StopIteration:
            return False
        except DamagedFileError as error:
            self._error = error
        return bool(self._chunk)
