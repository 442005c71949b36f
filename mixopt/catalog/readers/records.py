"""Records with named fields, from whatever file format, as documents."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.quarantine import BadRecordError
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import JsonlSource, ParquetSource


def document_of(record: object, source: JsonlSource | ParquetSource, schema: Schema) -> Document:
    """Return the document that a record holds in the source's field, with its scores.

    Raises:
        BadRecordError: the field is missing, of the wrong type, empty or no valid Unicode, or a
            score is missing or no finite number.
    """
    if not isinstance(record, Mapping):
        what = f"expected a record with fields, found {_kind(record)}"
        raise BadRecordError(what)
    scores = _scores(record, source.scores)
    if schema == "text":
        return checked_document(Document(text=_text(record, source.text_field), scores=scores))
    messages = _field(record, source.messages_field)
    if not isinstance(messages, list | tuple):
        name, kind = source.messages_field, _kind(messages)
        what = f"expected a list of messages in '{name}', found {kind}"
        raise BadRecordError(what)
    pairs = tuple(_message(message, source) for message in messages)
    return checked_document(Document(messages=pairs, scores=scores))


def checked_document(document: Document) -> Document:
    """Return the document if it can be learned from.

    Raises:
        BadRecordError: it is empty, or has lone surrogates, which no encoding can write.
    """
    if document.is_empty:
        what = "empty document"
        raise BadRecordError(what)
    try:
        _ = document.num_bytes
    except UnicodeEncodeError as error:
        what = f"no valid Unicode: {error.reason}"
        raise BadRecordError(what) from None
    return document


def _message(message: object, source: JsonlSource | ParquetSource) -> tuple[str, str]:
    if not isinstance(message, Mapping):
        what = f"expected a message with fields, found {_kind(message)}"
        raise BadRecordError(what)
    return _text(message, source.role_key), _text(message, source.content_key)


def _text(record: Mapping[str, object], name: str) -> str:
    value = _field(record, name)
    if not isinstance(value, str):
        what = f"expected text in '{name}', found {_kind(value)}"
        raise BadRecordError(what)
    return value


def _scores(
    record: Mapping[str, object], fields: Mapping[str, str]
) -> tuple[tuple[str, float], ...]:
    return tuple((name, _number(record, fields[name])) for name in sorted(fields))


def _number(record: Mapping[str, object], name: str) -> float:
    value = _field(record, name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        kind = f"{value}" if isinstance(value, float) else _kind(value)
        what = f"expected a finite number in '{name}', found {kind}"
        raise BadRecordError(what)
    return float(value)


def _field(record: Mapping[str, object], name: str) -> object:
    if name not in record:
        what = f"missing field '{name}'"
        raise BadRecordError(what)
    return record[name]


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
