"""Records with named fields, from whatever file format, as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.fields import (
    Record,
    heads_of,
    kind_of,
    label_of,
    number_of,
    require_unicode,
    text_of,
)
from mixopt.catalog.readers.intake import BadRecordError
from mixopt.catalog.readers.messages import conversation_of, preference_of
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import RecordSource


def document_of(record: object, source: RecordSource, schema: Schema) -> Document:
    """Return the document that a record holds in the source's fields, with scores and labels.

    Raises:
        BadRecordError: a field is missing or holds what it should not, or the document is empty or
            no valid Unicode.
    """
    if not isinstance(record, (dict, Mapping)):  # Dictionaries first: the check of others is slow.
        what = f"expected a record with fields, found {kind_of(record)}"
        raise BadRecordError(what)
    scores = _scores(record, source) if source.scores else ()
    labels = _labels(record, source) if source.labels else ()
    if schema == "text":
        document = Document(text=text_of(record, source.text_field), scores=scores, labels=labels)
    elif schema == "conversation":
        messages = conversation_of(record, source)
        document = Document(messages=messages, scores=scores, labels=labels)
    else:
        messages, rejected = preference_of(record, source)
        document = Document(messages=messages, rejected=rejected, scores=scores, labels=labels)
    return checked_document(document)


def checked_document(document: Document) -> Document:
    """Return the document if it can be learned from.

    Raises:
        BadRecordError: it is empty, or has lone surrogates, which no encoding can write.
    """
    is_empty = True
    for content in document.contents:
        is_empty = is_empty and (not content or content.isspace())
        require_unicode(content)
    if is_empty:
        what = "empty document"
        raise BadRecordError(what)
    return document


def fields_of(source: RecordSource, schema: Schema) -> tuple[str, ...]:
    """Return the top-level fields that documents may be taken from.

    A field that is named `meta.topic` may lie in `meta.topic` or in `meta`: both are among them.
    """
    names = (*_required(source, schema), *_optional(source, schema))
    return tuple(dict.fromkeys(head for name in names for head in heads_of(name)))


def columns_of(available: Iterable[str], source: RecordSource, schema: Schema) -> list[str]:
    """Return those columns of a table that documents are taken from, in the table's order.

    Raises:
        BadRecordError: a column that every document needs is missing.
    """
    present = list(dict.fromkeys(available))
    missing = [
        name for name in _required(source, schema) if not set(heads_of(name)).intersection(present)
    ]
    if missing:
        what = f"missing field '{missing[0]}'"
        raise BadRecordError(what)
    wanted = set(fields_of(source, schema))
    return [name for name in present if name in wanted]


def _scores(record: Record, source: RecordSource) -> tuple[tuple[str, float], ...]:
    return tuple((name, number_of(record, field)) for name, field in source.scores.items())


def _labels(record: Record, source: RecordSource) -> tuple[tuple[str, str], ...]:
    return tuple((name, label_of(record, field)) for name, field in source.labels.items())


def _required(source: RecordSource, schema: Schema) -> tuple[str, ...]:
    content = {
        "text": (source.text_field,),
        "conversation": (source.messages_field,),
        "preference": (source.chosen_field, source.rejected_field),
    }
    return (*content[schema], *source.scores.values(), *source.labels.values())


def _optional(source: RecordSource, schema: Schema) -> tuple[str, ...]:
    if schema == "preference" and source.prompt_field is not None:
        return (source.prompt_field,)
    return ()
