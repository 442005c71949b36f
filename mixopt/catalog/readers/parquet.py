"""Parquet files, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.quarantine import BadRecordError, DamagedFileError, Quarantine
from mixopt.catalog.readers.records import document_of
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import ParquetSource

INCLUDE = ("*.parquet",)

_BATCH_ROWS = 8192
_DAMAGE = (PolarsError, PanicException, OSError, UnicodeDecodeError)


def read_parquet(
    path: Path, source: ParquetSource, schema: Schema, quarantine: Quarantine
) -> Iterator[Document]:
    """Yield the document of each row; rows of the wrong type are set aside."""
    column = source.text_field if schema == "text" else source.messages_field
    try:
        columns = [column, *(each for each in source.scores.values() if each != column)]
        for number, record in enumerate(_records(path, columns), start=1):
            try:
                document = document_of(record, source, schema)
            except BadRecordError as error:
                quarantine.add(path, "row", number, str(error))
            else:
                yield document
    except DamagedFileError as error:
        quarantine.add(path, "file", error.offset, str(error))


def _records(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    try:
        # Without a glob, brackets in a file's name stand for themselves.
        frame = pl.scan_parquet(path, glob=False)
        missing = set(columns) - set(frame.collect_schema())
        if missing:
            message = f"missing field '{min(missing)}'"
            raise DamagedFileError(message, offset=0)
        batches = frame.select(columns).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
        for batch in batches:
            yield from batch.iter_rows(named=True)
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        what = f"damaged file: {reason}"
        raise DamagedFileError(what, offset=0) from None
