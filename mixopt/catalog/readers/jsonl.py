"""JSON lines, packed or not, and JSON files with one array of records or with spread-out records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import Any, TypedDict

import msgspec

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.readers.records import document_of, fields_of
from mixopt.catalog.readers.unpack import (
    MOST_BYTES,
    few_chunks,
    unpacked_chunks,
    unpacked_lines,
)
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import JsonlSource

INCLUDE = tuple(
    f"*{kind}{packing}"
    for kind in (".jsonl", ".ndjson", ".json")
    for packing in ("", ".gz", ".zst")
)

_MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8
_SPREAD = re.compile(rb"\s*(?:\[\s*(?:\{|[\r\n])|\{\s*[\r\n])")  # an array, or a record over lines
_SPACE = re.compile(r"[ \t\r\n]*")


def read_jsonl(
    file: File, source: JsonlSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    """Yield the document of each line; blank lines are skipped, broken ones set aside."""
    chunks = unpacked_chunks(file)
    try:
        first = next(chunks, b"").removeprefix(_MARK)
        if _SPREAD.match(first):
            yield from _read_spread(file, source, schema, intake)
            return
        decode = _decoder(fields_of(source, schema))
        for number, line in enumerate(unpacked_lines(chain((first,), chunks)), start=1):
            if line is not None and (not line or line.isspace()):
                continue
            try:
                document = document_of(_decoded(line, decode), source, schema)
            except BadRecordError as error:
                intake.quarantine("line", number, str(error))
            else:
                intake.accept()
                yield document
    except DamagedFileError as error:
        intake.quarantine("byte", error.offset, str(error))


@cache
def _decoder(fields: tuple[str, ...]) -> Callable[[bytes], object]:
    """Return what decodes the fields that are needed, and only skips over the others."""
    needed = dict.fromkeys(fields, Any)
    record = TypedDict("record", needed, total=False)  # type: ignore[misc]  # named by the recipe
    return msgspec.json.Decoder(record).decode


def _decoded(line: bytes | None, decode: Callable[[bytes], object]) -> object:
    if line is None:
        what = f"a line of more than {MOST_BYTES:,} bytes"
        raise BadRecordError(what)
    try:
        return decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _tolerantly_decoded(line)


def _tolerantly_decoded(line: bytes) -> object:
    """Decode as Python does, which takes NaN and numbers of any size, and tells what is wrong."""
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadRecordError(_no_text(error)) from None
    except (ValueError, RecursionError) as error:
        what = f"broken JSON: {error}"
        raise BadRecordError(what) from None


def _read_spread(
    file: File, source: JsonlSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    """Yield the document of each record of a file whose records do not stand on lines.

    What is broken, and all that stands behind it, is one entry.
    """
    text, damage = _spread_text(file)
    number = 0
    try:
        for number, record in enumerate(_records(text), start=1):
            try:
                document = document_of(record, source, schema)
            except BadRecordError as error:
                intake.quarantine("row", number, str(error))
            else:
                intake.accept()
                yield document
    except BadRecordError as error:
        damage = damage or str(error)
    if damage:
        intake.quarantine("row", number + 1, damage)


def _spread_text(file: File) -> tuple[str, str]:
    """Return the text of a file as far as it can be read, and what is wrong with the rest."""
    content, damage = bytearray(), ""
    try:
        for chunk in few_chunks(unpacked_chunks(file)):
            content += chunk
    except DamagedFileError as error:
        damage = str(error)
    except BadRecordError as error:
        return "", f"records that do not stand on lines, in a file {error}"
    try:
        return content.decode("utf-8-sig"), damage
    except UnicodeDecodeError as error:
        damage = damage or _no_text(error)
        return content[: error.start].decode("utf-8-sig"), damage


def _records(text: str) -> Iterator[object]:
    """Yield the records of an array, or those that follow one another.

    Raises:
        BadRecordError: the text is no JSON from here on.
    """
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    within = text.startswith("[", at)
    at = _skip(text, at + 1) if within else at
    while at < len(text) and not (within and text[at] == "]"):
        try:
            record, at = decode(text, at)
        except (ValueError, RecursionError) as error:
            what = f"broken JSON: {error}"
            raise BadRecordError(what) from None
        yield record
        at = _skip(text, at)
        if within and text.startswith(",", at):
            at = _skip(text, at + 1)
    if within and text[at:].strip() != "]":
        what = "broken JSON: the array does not end, or more follows it"
        raise BadRecordError(what)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _no_text(error: UnicodeDecodeError) -> str:
    return f"not UTF-8: {error.reason} at byte {error.start}"
