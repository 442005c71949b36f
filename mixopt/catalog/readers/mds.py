"""Mosaic's streaming shards (MDS, version 2), which say themselves how they are laid out.

A shard is a count of samples and the offset of each (uint32), a description of its columns in JSON,
and the samples: the sizes of a sample's columns that have none of their own (uint32), then their bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

import numpy as np

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.fields import decoded
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.readers.records import columns_of, document_of
from mixopt.catalog.readers.streams import ByteStream
from mixopt.catalog.readers.unpack import MOST_BYTES, unpacked_chunks
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import MdsSource

INCLUDE = ("*.mds", "*.mds.gz", "*.mds.zstd", "*.mds.zst", "*.mds.br", "*.mds.bz2", "*.mds.snappy")

_COUNT = np.dtype("<u4")
_LONGEST_DESCRIPTION = 1 << 20
_SCALARS = frozenset(
    f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)
) - {"float8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Columns:
    """The columns of a shard, in their order.

    Attributes:
        names: what they are called.
        encodings: how their values are written.
        sizes: bytes of each value; none where every sample says it.
    """

    names: tuple[str, ...]
    encodings: tuple[str, ...]
    sizes: tuple[int | None, ...]


def read_mds(file: File, source: MdsSource, schema: Schema, intake: Intake) -> Iterator[Document]:
    """Yield the document of each sample; of a shard that is cut off, those before the cut."""
    rows = 0
    try:
        stream = ByteStream(_chunks(file))
        columns, sizes = _opened(stream)
        wanted = frozenset(columns_of(columns.names, source, schema))
        for size in sizes:
            try:
                record = _record(_sample(stream, size), columns, wanted)
                document = document_of(record, source, schema)
            except BadRecordError as error:
                intake.quarantine("row", rows + 1, str(error))
            else:
                intake.accept()
                yield document
            rows += 1
    except DamagedFileError as error:
        intake.quarantine("row", rows + 1, str(error))
    except BadRecordError as error:
        intake.quarantine("file", 0, str(error))


def _chunks(file: File) -> Iterator[bytes]:
    """Yield the unpacked bytes of a shard.

    Raises:
        BadRecordError: it is packed in a way that is not read.
        DamagedFileError: as for `unpacked_chunks`.
    """
    packing = file.location.rpartition(".mds")[2]
    if packing in (".br", ".bz2", ".snappy"):
        what = f"the shard is packed as {packing}; .gz and .zstd are read"
        raise BadRecordError(what)
    return unpacked_chunks(file)


def _opened(stream: ByteStream) -> tuple[_Columns, list[int]]:
    """Return the columns of a shard and the bytes of each sample; leave the stream at the first.

    Raises:
        DamagedFileError: it does not begin as a shard, or its offsets are out of order.
    """
    head = np.frombuffer(_exactly(stream, 8), _COUNT).astype(np.int64)
    count, first = int(head[0]), int(head[1])
    before = 4 * (count + 2)
    if not before < first <= before + _LONGEST_DESCRIPTION:
        what = "damaged file: it does not begin as a shard of MDS"
        raise DamagedFileError(what, offset=0)
    later = np.frombuffer(_exactly(stream, 4 * count), _COUNT)
    sizes = np.diff(later.astype(np.int64), prepend=first)
    columns = _columns(_exactly(stream, first - before))
    if np.any(sizes < 0):
        what = "damaged file: the offsets of its samples are out of order"
        raise DamagedFileError(what, offset=stream.offset)
    return columns, sizes.tolist()


def _columns(description: bytes) -> _Columns:
    try:
        found = json.loads(description)
        names, encodings, sizes = (
            tuple(found[f"column_{part}"]) for part in ("names", "encodings", "sizes")
        )
        _check_columns(names, encodings, sizes)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"damaged file: its columns are not described ({error})"
        raise DamagedFileError(what, offset=0) from None
    return _Columns(names=names, encodings=encodings, sizes=sizes)


def _check_columns(
    names: tuple[object, ...], encodings: tuple[object, ...], sizes: tuple[object, ...]
) -> None:
    """Refuse what is no description of columns.

    Raises:
        ValueError: names and encodings are no texts, sizes no whole numbers, or not as many.
    """
    if not len(names) == len(encodings) == len(sizes):
        what = "not as many names as encodings and sizes"
        raise ValueError(what)
    texts = all(isinstance(text, str) for text in (*names, *encodings))
    if not texts or any(size is not None and type(size) is not int for size in sizes):
        what = "names and encodings that are no texts, or sizes that are no whole numbers"
        raise ValueError(what)


def _sample(stream: ByteStream, size: int) -> bytes:
    if size <= MOST_BYTES:
        return _exactly(stream, size)
    for start in range(0, size, MOST_BYTES):
        _exactly(stream, min(MOST_BYTES, size - start))
    what = f"longer than {MOST_BYTES:,} bytes"
    raise BadRecordError(what)


def _exactly(stream: ByteStream, size: int) -> bytes:
    read = stream.read(size)
    if len(read) < size:
        what = "damaged file: it ends too early"
        raise DamagedFileError(what, offset=stream.offset)
    return read


def _record(sample: bytes, columns: _Columns, wanted: frozenset[str]) -> dict[str, object]:
    """Return those fields of a sample that are wanted.

    Raises:
        BadRecordError: its columns do not add up to its size, or a value cannot be read.
    """
    start = _COUNT.itemsize * columns.sizes.count(None)
    given = iter(np.frombuffer(sample[: start - start % 4], _COUNT).tolist())
    sizes = [next(given, 0) if size is None else size for size in columns.sizes]
    if start + sum(sizes) != len(sample):
        what = f"damaged sample: its columns hold {start + sum(sizes)} bytes, not {len(sample)}"
        raise BadRecordError(what)
    record: dict[str, object] = {}
    for name, encoding, size in zip(columns.names, columns.encodings, sizes, strict=True):
        if name in wanted:
            record[name] = _value(sample[start : start + size], name, encoding)
        start += size
    return record


def _value(content: bytes, name: str, encoding: str) -> object:
    try:
        if encoding in _SCALARS:
            return np.frombuffer(content, np.dtype(encoding).newbyteorder("<"))[0].item()
        if encoding in _READ:
            return _READ[encoding](content)
    except (ValueError, IndexError, InvalidOperation, RecursionError) as error:
        what = f"the field '{name}' is no {encoding}: {error}"
        raise BadRecordError(what) from None
    what = f"the field '{name}' is stored as '{encoding}', which holds no text"
    raise BadRecordError(what)


_READ: Mapping[str, Callable[[bytes], object]] = MappingProxyType(
    {
        "str": decoded,
        "bytes": bytes,
        "json": json.loads,
        "int": lambda content: int.from_bytes(content, "little", signed=True),
        "str_int": lambda content: int(decoded(content)),
        "str_float": lambda content: float(decoded(content)),
        "str_decimal": lambda content: Decimal(decoded(content)),
    }
)
