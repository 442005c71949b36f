"""Kinds of broken and odd Parquet and Arrow files."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from broken_kinds import BOTH, FIRST, LAST, Kind

_TEXTS = pa.table({"text": list(BOTH)})


def _parquet(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=False, **options)
    return bytes(sink.getvalue())


def _arrow(table: pa.Table, *, stream: bool = True) -> bytes:
    """Return a stream or file with one batch for every row."""
    sink = pa.BufferOutputStream()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=1):
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _damaged_group(group: int) -> bytes:
    """Return a file of two row groups, the pages of one of which are overwritten."""
    content = bytearray(_parquet(_TEXTS, row_group_size=1, compression="zstd"))
    column = pq.ParquetFile(pa.BufferReader(bytes(content))).metadata.row_group(group).column(0)
    start, size = column.data_page_offset, column.total_compressed_size
    content[start : start + size] = b"\xff" * size
    return bytes(content)


def _kind(
    reader: str, name: str, content: bytes, *taken: str, reason: str = "", pieces: int = 1
) -> Kind:
    return Kind(
        name=f"{reader}-{name}",
        reader=reader,
        files={f"data.{reader}": content},
        taken=taken,
        reason=reason,
        pieces=pieces,
    )


def _typed(kind: pa.DataType) -> pa.Table:
    return pa.table({"text": pa.array(list(BOTH)).cast(kind)})


_PARQUET = _parquet(_TEXTS)
_STREAM = _arrow(_TEXTS)
_WITH_NULL = pa.table({"text": [FIRST, None, LAST]})
_NUMBERS = pa.table({"text": [1, 2]})
_OTHERWISE = pa.table({"content": list(BOTH)})
_NOT_UTF8 = pa.table({"text": [FIRST.encode(), b"\xff\xfe", LAST.encode()]})
_NOT_FINITE = pa.table({"text": [FIRST, "x"], "quality": [1.0, float("nan")]})
_NO_ROWS = pa.table({"text": pa.array([], pa.string())})

BROKEN_TABLES: Final = (
    _kind("parquet", "no-footer", _PARQUET[:-12], reason="damaged"),
    _kind("parquet", "cut", _PARQUET[: len(_PARQUET) // 2], reason="damaged"),
    _kind("parquet", "only-magic", b"PAR1", reason="damaged"),
    _kind("parquet", "not-parquet", b"this is no Parquet file at all", reason="damaged"),
    _kind("parquet", "empty-file", b"", reason="damaged"),
    _kind("parquet", "first-row-group-damaged", _damaged_group(0), LAST, reason="damaged"),
    _kind("parquet", "last-row-group-damaged", _damaged_group(1), FIRST, reason="damaged"),
    _kind("parquet", "missing-column", _parquet(_OTHERWISE), reason="missing field"),
    _kind("parquet", "numbers-for-texts", _parquet(_NUMBERS), reason="expected text", pieces=2),
    _kind("parquet", "null-text", _parquet(_WITH_NULL), *BOTH, reason="nothing"),
    _kind("parquet", "not-utf8", _parquet(_NOT_UTF8), *BOTH, reason="UTF-8"),
    Kind(
        name="parquet-score-not-finite",
        reader="parquet",
        files={"data.parquet": _parquet(_NOT_FINITE)},
        taken=(FIRST,),
        reason="finite",
        options={"scores": {"quality": "quality"}},
    ),
    _kind("parquet", "no-rows", _parquet(_NO_ROWS)),
    _kind("parquet", "dictionary", _parquet(_typed(pa.dictionary(pa.int32(), pa.string()))), *BOTH),
    _kind("parquet", "large-texts", _parquet(_typed(pa.large_string())), *BOTH),
    _kind("parquet", "text-views", _parquet(_typed(pa.string_view())), *BOTH),
    _kind("arrow", "stream-cut", _STREAM[:-24], FIRST, reason="damaged"),
    _kind("arrow", "stream-cut-in-schema", _STREAM[:40], reason="damaged"),
    _kind(
        "arrow", "file-without-footer", _arrow(_TEXTS, stream=False)[:-10], *BOTH, reason="damaged"
    ),
    _kind("arrow", "not-arrow", b"this is no Arrow file at all", reason="damaged"),
    _kind("arrow", "empty-file", b"", reason="damaged"),
    _kind("arrow", "missing-column", _arrow(_OTHERWISE), reason="missing field"),
    _kind("arrow", "null-text", _arrow(_WITH_NULL), *BOTH, reason="nothing"),
    _kind("arrow", "no-rows", _arrow(_NO_ROWS)),
    _kind("arrow", "dictionary", _arrow(_typed(pa.dictionary(pa.int32(), pa.string()))), *BOTH),
    _kind("arrow", "file", _arrow(_TEXTS, stream=False), *BOTH),
)
