"""JSON lines, packed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.quarantine import BadRecordError, DamagedFileError, Quarantine
from mixopt.catalog.readers.records import document_of
from mixopt.catalog.readers.unpack import unpacked_lines
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import JsonlSource

INCLUDE = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst")


def read_jsonl(
    path: Path, source: JsonlSource, schema: Schema, quarantine: Quarantine
) -> Iterator[Document]:
    """Yield the document of each line; blank lines are skipped, broken ones set aside."""
    try:
        for number, line in enumerate(unpacked_lines(path), start=1):
            if not line.strip():
                continue
            try:
                document = document_of(_decoded(line, number), source, schema)
            except BadRecordError as error:
                quarantine.add(path, "line", number, str(error))
            else:
                yield document
    except DamagedFileError as error:
        quarantine.add(path, "byte", error.offset, str(error))


def _decoded(line: bytes, number: int) -> object:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        what = f"not UTF-8: {error.reason} at byte {error.start}"
        raise BadRecordError(what) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        what = f"broken JSON: {error}"
        raise BadRecordError(what) from None
