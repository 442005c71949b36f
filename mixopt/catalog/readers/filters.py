"""The documents of a source that meet the condition of its recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

import pyarrow as pa

from mixopt.catalog.conditions import condition_columns
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import FileSource
from mixopt.database.filter import Condition
from mixopt.errors import CatalogError, QueryError

_BATCH_DOCUMENTS = 2048
_BATCH_BYTES = 1 << 23
_KINDS: Mapping[str, pa.DataType] = MappingProxyType(
    {"varchar": pa.large_string(), "bigint": pa.int64(), "double": pa.float64()}
)


def filter_documents(
    documents: Iterator[Document], source: FileSource, file: File, intake: Intake
) -> Iterator[Document]:
    """Yield the documents that meet the source's condition; where it is null, they do not.

    Documents are read ahead in batches, but `intake` counts them when they are passed on or left
    out, so that its counts are right wherever reading stops.

    Raises:
        CatalogError: the condition is wrong, or fails on a document.
    """
    try:
        condition = _condition(source.where or "", tuple(condition_columns(source).items()))
        for batch in _batches(documents):
            intake.accept(-len(batch))
            for document, holds in zip(batch, _holds(condition, source, file, batch), strict=True):
                intake.accept()
                if holds:
                    yield document
                else:
                    intake.leave_out()
    except QueryError as error:
        what = f"the {source.reader} source '{source.path}': {error.what}"
        why = f"{file.location}: {error.why}"
        raise CatalogError(what, why=why, remedy=error.remedy or "Mend its `where`.") from error


@lru_cache(maxsize=64)
def _condition(where: str, columns: tuple[tuple[str, str], ...]) -> Condition:
    return Condition(where, dict(columns))


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    num_bytes = 0
    for document in documents:
        batch.append(document)
        num_bytes += document.num_bytes
        if len(batch) == _BATCH_DOCUMENTS or num_bytes >= _BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch


def _holds(
    condition: Condition, source: FileSource, file: File, batch: list[Document]
) -> list[bool]:
    """Return which documents of a batch meet the condition; only named columns are made."""
    kinds = condition_columns(source)
    columns: dict[str, list[object]] = {}
    for name in condition.columns:
        if name == "text":
            columns[name] = ["\n\n".join(document.contents) for document in batch]
        elif name == "bytes":
            columns[name] = [document.num_bytes for document in batch]
        elif name == "path":
            columns[name] = [file.location] * len(batch)
        else:
            pairs = [dict((*document.scores, *document.labels)) for document in batch]
            columns[name] = [values.get(name) for values in pairs]
    # A batch has a column that no condition names, as one such as `true` names none.
    table = pa.table(
        {name: pa.array(values, _KINDS[kinds[name]]) for name, values in columns.items()}
        | {"": pa.nulls(len(batch), pa.bool_())}
    )
    return list(condition.holds(table))
