"""Parquet files, read row group by row group in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, open_file
from mixopt.catalog.readers.intake import BadRecordError, Intake
from mixopt.catalog.readers.records import columns_of, document_of
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import ParquetSource

INCLUDE = ("*.parquet",)

_BATCH_BYTES = 1 << 23
_BATCH_ROWS = 8192
_PAGE_BUFFER_BYTES = 1 << 20
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def read_parquet(
    file: File, source: ParquetSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    """Yield the document of each row; broken rows and row groups are set aside.

    A row group that is damaged is one entry, at the first of its rows that could not be read.
    """
    try:
        with open_file(file) as opened:
            # A buffer reads column chunks page by page, not as a whole.
            parquet = pq.ParquetFile(
                opened,
                buffer_size=_PAGE_BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            )
            columns = columns_of(parquet.schema_arrow.names, source, schema)
            row = 1
            for group in range(parquet.num_row_groups):
                batches = _batches(parquet, group, columns)
                for number, record in _records(batches, row, intake):
                    try:
                        document = document_of(record, source, schema)
                    except BadRecordError as error:
                        intake.quarantine("row", number, str(error))
                    else:
                        intake.accept()
                        yield document
                row += parquet.metadata.row_group(group).num_rows
    except BadRecordError as error:
        intake.quarantine("file", 0, str(error))
    except _DAMAGE as error:
        intake.quarantine("file", 0, f"damaged file: {_first_line(error)}")


def _batches(parquet: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    metadata = parquet.metadata.row_group(group)
    bytes_per_row = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
    rows = min(_BATCH_ROWS, max(1, _BATCH_BYTES // bytes_per_row))
    yield from parquet.iter_batches(
        batch_size=rows, row_groups=[group], columns=columns, use_threads=False
    )


def _records(
    batches: Iterator[pa.RecordBatch], row: int, intake: Intake
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, record) of the rows of a group whose first row has number `row`."""
    while True:
        try:
            batch = next(batches, None)
        except _DAMAGE as error:
            intake.quarantine("row", row, f"damaged row group: {_first_line(error)}")
            return
        if batch is None:
            return
        yield from _enumerated(batch, row, intake)
        row += batch.num_rows


def _enumerated(
    batch: pa.RecordBatch, first: int, intake: Intake
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, record) of the rows of a batch; rows that Python cannot hold are set aside."""
    try:
        yield from enumerate(batch.to_pylist(), start=first)
    except _DAMAGE:
        for number in range(batch.num_rows):
            try:
                (record,) = batch.slice(number, 1).to_pylist()
            except _DAMAGE as error:
                intake.quarantine("row", first + number, f"broken row: {_first_line(error)}")
            else:
                yield first + number, record


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
