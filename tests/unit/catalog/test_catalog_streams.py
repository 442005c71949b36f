"""Chunks read as one stream: pieces of any size, and errors behind what was read before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mixopt.catalog.readers.intake import DamagedFileError
from mixopt.catalog.readers.streams import ByteStream


def broken(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    message = "damaged file"
    raise DamagedFileError(message, offset=0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pieces_have_the_size_that_is_asked_for(size: int) -> None:
    stream = ByteStream(iter([b"", b"abc", b"d", b"", b"efghij"]))
    pieces = []
    while piece := stream.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == b"abcdefghij"
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert stream.offset == 10


def test_an_error_comes_once_all_before_it_was_read() -> None:
    stream = ByteStream(broken(b"abc", b"de"))
    assert stream.read(2) == b"ab"
    assert stream.read(100) == b"cde"
    assert stream.read(0) == b""
    for _ in range(2):
        with pytest.raises(DamagedFileError):
            stream.read(1)
    assert stream.offset == 5
