"""The columns that the condition of a source may name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mixopt.catalog.sources import CodeSource, FileSource, RecordSource

PROGRAMMING_LANGUAGE = "programming_language"
"""The label of every document of a code tree."""

SOURCE_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"text": "varchar", "bytes": "bigint", "path": "varchar"}
)
"""SQL types of the columns that every source's condition may name beside scores and labels."""


def label_names(source: FileSource) -> tuple[str, ...]:
    """Return the names of the labels that a source's documents have, sorted."""
    if isinstance(source, CodeSource):
        return (PROGRAMMING_LANGUAGE,)
    return tuple(sorted(source.labels)) if isinstance(source, RecordSource) else ()


def score_names(source: FileSource) -> tuple[str, ...]:
    """Return the names of the scores that a source's documents have, sorted."""
    return tuple(sorted(source.scores)) if isinstance(source, RecordSource) else ()


def condition_columns(source: FileSource) -> Mapping[str, str]:
    """Return the SQL type of every column that a source's `where` may name.

    `path` is the location of the file; `text` is that of a document, and for a conversation or a
    preference the contents of its messages with blank lines between them.
    """
    return {
        **SOURCE_COLUMNS,
        **dict.fromkeys(score_names(source), "double"),
        **dict.fromkeys(label_names(source), "varchar"),
    }
