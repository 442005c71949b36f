"""Megatron's indexed datasets: tokens in a `.bin`, and where documents stand in the `.idx` beside it.

The index holds a header, the length of every sequence (int32), where it starts in the `.bin`
(int64), and the number of the first sequence of every document (int64), closed by their number.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, open_file
from mixopt.catalog.readers.decoding import MOST_TOKENS, TOO_LONG, document_of_tokens
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.sources import MegatronSource

INCLUDE = ("*.bin",)

_HEADER = struct.Struct("<9sQBQQ")
_MAGIC = b"MMIDIDX\0\0"
_VERSION = 1
_TYPES: Mapping[int, str] = MappingProxyType(
    {1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
)
_LENGTH, _PLACE = np.dtype("<i4"), np.dtype("<i8")
_DOCUMENTS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class _Index:
    """An open index.

    Attributes:
        opened: the file.
        dtype: type of the tokens.
        num_sequences: entries in each of the first two arrays.
        num_bounds: entries in the third, one more than there are documents.
    """

    opened: BinaryIO
    dtype: np.dtype[Any]
    num_sequences: int
    num_bounds: int

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        return self._array(_HEADER.size, _LENGTH, start, stop)

    def places(self, start: int, stop: int) -> NDArray[np.int64]:
        return self._array(_HEADER.size + self.num_sequences * 4, _PLACE, start, stop)

    def bounds(self, start: int, stop: int) -> NDArray[np.int64]:
        return self._array(_HEADER.size + self.num_sequences * 12, _PLACE, start, stop)

    def _array(self, at: int, dtype: np.dtype[Any], start: int, stop: int) -> NDArray[np.int64]:
        self.opened.seek(at + start * dtype.itemsize)
        read = self.opened.read((stop - start) * dtype.itemsize)
        return np.frombuffer(read, dtype).astype(np.int64)


def read_megatron(
    file: File,
    source: MegatronSource,
    intake: Intake,
    *,
    load: Callable[[str], TokenCounter],
) -> Iterator[Document]:
    """Yield the documents of a `.bin` as its index divides it, without the end token of each."""
    tokenizer = load(source.tokenizer)
    name = file.location.removesuffix(".bin") + ".idx"
    try:
        with (
            open_file(file) as tokens,
            open_file(
                File(location=name, num_bytes=0, modified="", storage=file.storage)
            ) as opened,
        ):
            index = _opened_index(opened)
            for places, lengths in _sequences(index):
                try:
                    ids = _ids(tokens, index.dtype, places, lengths)
                    ids = ids[:-1] if ids.size and ids[-1] == tokenizer.end_of_text else ids
                    document = document_of_tokens(ids, tokenizer)
                except BadRecordError as error:
                    intake.quarantine("byte", int(places[0]) if len(places) else 0, str(error))
                else:
                    intake.accept()
                    yield document
    except (DamagedFileError, OSError) as error:
        what = str(error) if isinstance(error, DamagedFileError) else f"damaged file: {error}"
        intake.quarantine("file", 0, what)


def _opened_index(opened: BinaryIO) -> _Index:
    """Return the index of an open file.

    Raises:
        DamagedFileError: it is none, of another version, or its size is not what its header says.
    """
    size = opened.seek(0, os.SEEK_END)
    opened.seek(0)
    head = opened.read(_HEADER.size)
    if len(head) < _HEADER.size or not head.startswith(_MAGIC):
        what = "damaged index: it does not begin as an index of Megatron"
        raise DamagedFileError(what, offset=0)
    _, version, code, num_sequences, num_bounds = _HEADER.unpack(head)
    if version != _VERSION or code not in _TYPES:
        what = f"the index has the version {version} and the type of tokens {code}"
        raise DamagedFileError(what, offset=0)
    if size < _HEADER.size + 12 * num_sequences + 8 * num_bounds or not num_bounds:
        what = "damaged index: it ends too early"
        raise DamagedFileError(what, offset=0)
    dtype: np.dtype[Any] = np.dtype(_TYPES[code])
    return _Index(opened=opened, dtype=dtype, num_sequences=num_sequences, num_bounds=num_bounds)


def _sequences(index: _Index) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield where the sequences of each document start, in bytes, and their lengths, in tokens.

    Raises:
        DamagedFileError: the documents do not divide the sequences.
    """
    last = index.bounds(index.num_bounds - 1, index.num_bounds)
    if index.bounds(0, 1)[0] != 0 or last[0] != index.num_sequences:
        what = "damaged index: its documents are not all of its sequences"
        raise DamagedFileError(what, offset=0)
    for start in range(0, index.num_bounds - 1, _DOCUMENTS):
        bounds = index.bounds(start, min(start + _DOCUMENTS + 1, index.num_bounds))
        if np.any(np.diff(bounds) < 0) or bounds[-1] > index.num_sequences:
            what = "damaged index: its documents are out of order"
            raise DamagedFileError(what, offset=0)
        first = int(bounds[0])
        places = index.places(first, int(bounds[-1]))
        lengths = index.lengths(first, int(bounds[-1]))
        for begin, end in zip(
            (bounds[:-1] - first).tolist(), (bounds[1:] - first).tolist(), strict=True
        ):
            yield places[begin:end], lengths[begin:end]


def _ids(
    tokens: BinaryIO, dtype: np.dtype[Any], places: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.integer]:
    """Return the ids of a document's sequences.

    Raises:
        BadRecordError: they are too many, or a sequence does not lie in the file.
    """
    if int(lengths.sum()) > MOST_TOKENS:
        raise BadRecordError(TOO_LONG)
    parts = [np.empty(0, dtype)]
    for place, length in zip(places.tolist(), lengths.tolist(), strict=True):
        read = b""
        if place >= 0 and length >= 0:
            tokens.seek(place)
            read = tokens.read(length * dtype.itemsize)
        if len(read) != length * dtype.itemsize:
            what = f"the index names {length} tokens at byte {place}, which the file does not hold"
            raise BadRecordError(what)
        parts.append(np.frombuffer(read, dtype))
    return np.concatenate(parts)
