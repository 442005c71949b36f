"""Which reader reads a source, and which files it takes when the recipe does not say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from mixopt.catalog.documents import Document
from mixopt.catalog.readers import docstrings, jsonl, parquet, text
from mixopt.catalog.readers.quarantine import Quarantine
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import DocstringsSource, FileSource, JsonlSource, ParquetSource

DEFAULT_INCLUDE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docstrings": docstrings.INCLUDE,
        "jsonl": jsonl.INCLUDE,
        "parquet": parquet.INCLUDE,
        "text": text.INCLUDE,
    }
)


def read_documents(
    path: Path, source: FileSource, schema: Schema, quarantine: Quarantine
) -> Iterator[Document]:
    """Yield the documents of one file in order; what is broken goes to `quarantine`.

    Documents shorter or longer than the source takes are left out; they are not broken.
    """
    documents = _all_documents(path, source, schema, quarantine)
    least, most = source.min_document_bytes or 0, source.max_document_bytes or sys.maxsize
    if (least, most) == (0, sys.maxsize):
        return documents
    return (document for document in documents if least <= document.num_bytes <= most)


def _all_documents(
    path: Path, source: FileSource, schema: Schema, quarantine: Quarantine
) -> Iterator[Document]:
    if isinstance(source, JsonlSource):
        return jsonl.read_jsonl(path, source, schema, quarantine)
    if isinstance(source, ParquetSource):
        return parquet.read_parquet(path, source, schema, quarantine)
    if isinstance(source, DocstringsSource):
        return docstrings.read_docstrings(path, quarantine)
    return text.read_text(path, quarantine)
