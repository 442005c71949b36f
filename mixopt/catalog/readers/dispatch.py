"""Which reader reads a source, which files it takes by itself, and what the source leaves out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers import (
    arrow,
    code,
    docstrings,
    hub,
    jsonl,
    mds,
    megatron,
    parquet,
    text,
    tokens,
    webdataset,
)
from mixopt.catalog.readers.filters import filter_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import (
    ArrowSource,
    CodeSource,
    DocstringsSource,
    FileSource,
    HubSource,
    JsonlSource,
    MdsSource,
    MegatronSource,
    ParquetSource,
    TextSource,
    TokenArraySource,
    WebDatasetSource,
)

_Records = JsonlSource | ParquetSource | ArrowSource | HubSource | WebDatasetSource | MdsSource

INCLUDE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "arrow": arrow.INCLUDE,
        "code": code.INCLUDE,
        "docstrings": docstrings.INCLUDE,
        "hub": hub.INCLUDE,
        "jsonl": jsonl.INCLUDE,
        "mds": mds.INCLUDE,
        "megatron": megatron.INCLUDE,
        "parquet": parquet.INCLUDE,
        "text": text.INCLUDE,
        "tokens": tokens.INCLUDE,
        "webdataset": webdataset.INCLUDE,
    }
)
"""Globs of the files that a reader takes where the recipe does not say."""


def read_documents(
    file: File,
    source: FileSource,
    schema: Schema,
    intake: Intake,
    *,
    load: Callable[[str], TokenCounter],
) -> Iterator[Document]:
    """Yield the documents of one file in order; `intake` counts what becomes of all it holds.

    Documents that the source leaves out by their length or its filter are counted as filtered;
    what is broken goes to quarantine.

    Args:
        file: the file.
        source: how it is read, and what is taken of it.
        schema: what its documents are.
        intake: counts documents as they are yielded.
        load: returns the tokenizer of a name or path, for sources that hold tokens.

    Raises:
        CatalogError: a remote file system fails, or the filter does.
    """
    documents = _all_documents(file, source, schema, intake, load)
    least, most = source.min_document_bytes or 0, source.max_document_bytes or sys.maxsize
    if (least, most) != (0, sys.maxsize):
        documents = _of_length(documents, least, most, intake)
    if source.where is not None:
        documents = filter_documents(documents, source, file, intake)
    return documents


def _of_length(
    documents: Iterator[Document], least: int, most: int, intake: Intake
) -> Iterator[Document]:
    for document in documents:
        if least <= document.num_bytes <= most:
            yield document
        else:
            intake.leave_out()


def _all_documents(
    file: File,
    source: FileSource,
    schema: Schema,
    intake: Intake,
    load: Callable[[str], TokenCounter],
) -> Iterator[Document]:
    match source:
        case TextSource():
            return text.read_text(file, intake)
        case CodeSource():
            return code.read_code(file, intake)
        case DocstringsSource():
            return docstrings.read_docstrings(file, intake)
        case MegatronSource():
            return megatron.read_megatron(file, source, intake, load=load)
        case TokenArraySource():
            return tokens.read_tokens(file, source, intake, load=load)
        case _:
            return _record_documents(file, source, schema, intake)


def _record_documents(
    file: File, source: _Records, schema: Schema, intake: Intake
) -> Iterator[Document]:
    match source:
        case JsonlSource():
            return jsonl.read_jsonl(file, source, schema, intake)
        case ParquetSource():
            return parquet.read_parquet(file, source, schema, intake)
        case ArrowSource():
            return arrow.read_arrow(file, source, schema, intake)
        case HubSource():
            return hub.read_hub(file, source, schema, intake)
        case WebDatasetSource():
            return webdataset.read_webdataset(file, source, schema, intake)
        case MdsSource():
            return mds.read_mds(file, source, schema, intake)
