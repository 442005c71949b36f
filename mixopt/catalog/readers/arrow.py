"""Arrow files and streams, such as `datasets` writes, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, is_remote, local_path, open_file
from mixopt.catalog.readers.intake import BadRecordError, Intake
from mixopt.catalog.readers.records import columns_of, document_of
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import RecordSource

INCLUDE = ("*.arrow", "*.feather", "*.ipc")

_ROWS = 1024
_MAGIC = b"ARROW1"
_STREAM_IN_FILE = 8  # Behind the magic and its padding, a file holds the bytes of a stream.
_BROKEN = (pa.ArrowException, UnicodeDecodeError)


def read_arrow(
    file: File, source: RecordSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    """Yield the document of each row; of a file that is cut off, those of its whole batches."""
    rows = 0
    try:
        with closing(_open(file)) as opened:
            for batch in _batches(opened, source, schema):
                for start in range(0, batch.num_rows, _ROWS):
                    records = _records(batch.slice(start, _ROWS))
                    yield from _documents(records, rows + start, source, schema, intake)
                rows += batch.num_rows
    except BadRecordError as error:
        intake.quarantine("file", 0, str(error))
    except (*_BROKEN, OSError) as error:
        intake.quarantine("row", rows + 1, f"damaged file: {_first_line(error)}")


def _documents(
    records: Iterator[object], rows: int, source: RecordSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    for number, record in enumerate(records, start=rows + 1):
        try:
            if isinstance(record, BadRecordError):
                raise record
            document = document_of(record, source, schema)
        except BadRecordError as error:
            intake.quarantine("row", number, str(error))
        else:
            intake.accept()
            yield document


def _open(file: File) -> pa.NativeFile:
    """Open a file that is read in steps: what a mapped file has read stays in memory."""
    opened = open_file(file)
    if is_remote(file.location):
        return pa.PythonFile(opened, mode="r")
    opened.close()
    return pa.OSFile(local_path(file.location))


def _batches(opened: pa.NativeFile, source: RecordSource, schema: Schema) -> Iterator[Any]:
    """Yield the record batches of a stream or file, with the columns that are needed.

    A file is read as the stream that it contains, so its footer need not be there; that it is
    missing shows at the end.
    """
    magic = opened.read(len(_MAGIC))
    start = _STREAM_IN_FILE if magic == _MAGIC else 0
    opened.seek(start)
    names = pa.ipc.open_stream(opened).schema.names
    wanted = set(columns_of(names, source, schema))
    options = pa.ipc.IpcReadOptions(
        included_fields=[index for index, name in enumerate(names) if name in wanted]
    )
    opened.seek(start)
    yield from pa.ipc.open_stream(opened, options=options)
    if start:
        opened.seek(max(0, opened.size() - len(_MAGIC)))
        if opened.read() != _MAGIC:
            what = "the file ends without its footer"
            raise pa.ArrowInvalid(what)


def _records(batch: Any) -> Iterator[object]:  # noqa: ANN401 - pyarrow has no types
    """Yield the rows as dictionaries, and an error for each that is broken."""
    try:
        batch.validate(full=True)  # Offsets that point nowhere would end the process.
        yield from batch.to_pylist()
    except _BROKEN as error:
        if batch.num_rows == 1:
            yield BadRecordError(f"damaged row: {_first_line(error)}")
            return
        for row in range(batch.num_rows):
            yield from _records(batch.slice(row, 1))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
