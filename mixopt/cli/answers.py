"""Answers of queries as tables, CSV, JSON, JSON lines and Parquet; all but tables batch by batch."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from mixopt import atomic
from mixopt.catalog.query import Answer, Limits, bounded, rows_of
from mixopt.cli import console
from mixopt.errors import QueryError

Format = Literal["table", "csv", "json", "jsonl", "parquet"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)


def format_named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        QueryError: there is none.
    """
    if name not in FORMATS:
        what = f"'{name}' is no format"
        raise QueryError(what, remedy=f"Formats: {', '.join(FORMATS)}.")
    return name


def first_rows(answer: Answer, most: int) -> Answer:
    """Return the answer with so many rows at most."""

    def batches() -> Iterator[pa.RecordBatch]:
        left = most
        for batch in answer.batches:
            yield batch.slice(0, left)
            left -= len(batch)
            if left <= 0:
                return

    return replace(answer, batches=batches())


def show(answer: Answer, style: Format, limits: Limits) -> None:
    """Print an answer; a table or JSON beyond the limits is an error.

    Raises:
        QueryError: the query fails on the way, its result is too large, or Parquet would go to a
            terminal.
    """
    limited = bounded(answer, limits) if style in {"table", "json"} else answer
    if style == "table":
        rows = [row for batch in limited.batches for row in rows_of(batch)]
        console.show_table(answer.schema.names, rows, as_json=False)
        return
    if style == "parquet" and console.is_terminal():
        what = "Parquet is not for a terminal"
        raise QueryError(what, remedy="Write a file: --out FILE.")
    _WRITERS[style](limited, console.data_output())


def write(answer: Answer, style: Format, path: Path) -> None:
    """Write an answer to a file, which appears whole or not at all.

    Raises:
        QueryError: the query fails on the way, or the format is for the screen.
    """
    if style == "table":
        what = "a table is for the screen"
        raise QueryError(what, remedy=f"Name a format: {', '.join(FORMATS[1:])}.")
    with atomic.replacing(path) as file:
        _WRITERS[style](answer, file)


def _write_csv(answer: Answer, file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.schema.names)
    for batch in answer.batches:
        writer.writerows([_csv_cell(value) for value in row] for row in rows_of(batch))
    text.detach()


def _write_json(answer: Answer, file: IO[bytes]) -> None:
    between = b"[\n  "
    for line in _json_lines(answer):
        file.write(between + line)
        between = b",\n  "
    file.write(b"\n]\n" if between.startswith(b",") else b"[]\n")


def _write_json_lines(answer: Answer, file: IO[bytes]) -> None:
    for line in _json_lines(answer):
        file.write(line + b"\n")


def _write_parquet(answer: Answer, file: IO[bytes]) -> None:
    with pq.ParquetWriter(file, answer.schema, compression="zstd") as writer:
        for batch in answer.batches:
            writer.write_batch(batch)


_WRITERS: Final[Mapping[str, Callable[[Answer, IO[bytes]], None]]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "parquet": _write_parquet,
}


def _json_lines(answer: Answer) -> Iterator[bytes]:
    names = answer.schema.names
    for batch in answer.batches:
        for row in rows_of(batch):
            yield _json(dict(zip(names, row, strict=True))).encode()


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | Mapping):
        return _json(value)
    return _text(value) if isinstance(value, bytes) else value


def _json(value: object) -> str:
    plain = console.plain(_prepared(value))
    return json.dumps(plain, ensure_ascii=False)


def _prepared(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Turn what only databases have into what JSON has; decimals become numbers."""
    if isinstance(value, Mapping):
        return {str(key): _prepared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_prepared(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return _text(value) if isinstance(value, bytes) else value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
