"""The first records of a file, as mappings from dotted field to value."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixopt.catalog.locations import File, open_file
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError
from mixopt.catalog.readers.unpack import unpacked_chunks, unpacked_lines
from mixopt.errors import CatalogError

Fields = Mapping[str, object]

_RECORDS = 64
_MEMBERS = 256
_DEPTH = 3
_WHOLE_BYTES = 1 << 26
_UNREADABLE = (
    BadRecordError,
    CatalogError,
    DamagedFileError,
    OSError,
    ValueError,
    KeyError,
    tarfile.TarError,
    pa.ArrowException,
)


def first_records(file: File, reader: str) -> list[Fields]:
    """Return the first 64 records at most, nested ones with dots; none where nothing can be read.

    Args:
        file: of any format that holds records.
        reader: one of `jsonl`, `parquet`, `arrow`, `webdataset` and `mds`.
    """
    found: list[Fields] = []
    with suppress(*_UNREADABLE):
        for record in islice(_READ[reader](file), _RECORDS):
            if isinstance(record, Mapping):
                found.append(flattened(record))  # noqa: PERF401 - those before a break are kept
    return found


def flattened(
    record: Mapping[Any, Any], prefix: str = "", depth: int = _DEPTH
) -> dict[str, object]:
    """Return the fields of a record and of the records in it, by dotted name."""
    found: dict[str, object] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and depth > 1:
            found |= flattened(value, f"{name}.", depth - 1)
        else:
            found[name] = value
    return found


def _json_records(file: File) -> Iterator[object]:
    chunks = unpacked_chunks(file)
    first = next(chunks, b"")
    if first.lstrip().startswith(b"[") and file.num_bytes <= _WHOLE_BYTES:
        yield from json.loads(b"".join((first, *chunks)))
        return
    for line in unpacked_lines(chain((first,), chunks)):
        with suppress(ValueError):  # a broken line
            yield json.loads(line or b"")


def _parquet_records(file: File) -> Iterator[object]:
    with open_file(file) as opened:
        for batch in pq.ParquetFile(opened).iter_batches(batch_size=_RECORDS):
            yield from batch.to_pylist()


def _arrow_records(file: File) -> Iterator[object]:
    with open_file(file) as opened:
        is_file = opened.read(6) == b"ARROW1"
        opened.seek(8 if is_file else 0)
        for batch in pa.ipc.open_stream(opened):
            yield from batch.slice(0, _RECORDS).to_pylist()


def _tar_records(file: File) -> Iterator[object]:
    """Yield what neighbouring members of one name hold, by suffix."""
    with open_file(file) as opened, tarfile.open(fileobj=opened, mode="r:*") as archive:
        records: dict[str, dict[str, object]] = {}
        for member in islice((each for each in archive if each.isfile()), _MEMBERS):
            folder, _, name = member.name.rpartition("/")
            stem, _, suffix = name.partition(".")
            content = archive.extractfile(member)
            if content is not None:
                value = _member_value(suffix, content.read())
                records.setdefault(f"{folder}/{stem}", {})[suffix] = value
    yield from list(records.values())


def _member_value(suffix: str, content: bytes) -> object:
    text = content.decode(errors="replace")
    return json.loads(text) if suffix == "json" else text


def _mds_records(file: File) -> Iterator[object]:
    """Yield one record with a value of each column's type, as the index beside the file tells."""
    place = f"{file.location.rpartition('/')[0]}/index.json"
    index = File(location=place, num_bytes=0, modified="", storage=file.storage)
    with open_file(index) as opened:
        (shard, *_) = json.loads(opened.read())["shards"]
    columns = zip(shard["column_names"], shard["column_encodings"], strict=True)
    yield {name: _STAND_INS.get(encoding.rstrip("0123456789"), "") for name, encoding in columns}


_STAND_INS: Mapping[str, object] = MappingProxyType(
    {"str": "a text of many words " * 20, "int": 1, "uint": 1, "float": 0.5}
)
_READ: Mapping[str, Callable[[File], Iterator[object]]] = MappingProxyType(
    {
        "arrow": _arrow_records,
        "jsonl": _json_records,
        "mds": _mds_records,
        "parquet": _parquet_records,
        "webdataset": _tar_records,
    }
)
