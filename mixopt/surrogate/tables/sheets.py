"""One file of a table: its columns as texts or as numbers, and the faults that reading collects."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mixopt.errors import LawError, NotFoundError

Vector = NDArray[np.float64]

LABELS: Final = ("run", "index", "name", "id", "run_id", "run_name", "seed", "step", "trial", "")
"""Columns that are never weights or measures; an empty name is a row number."""

_MISSING: Final = ("", "na", "n/a", "nan", "null", "none", "-")
_SEPARATORS: Final = (",", ";", "\t")
_MOST_LISTED: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """One file as it was read."""

    path: Path
    frame: pl.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the order of the file."""
        return tuple(self.frame.columns)

    @property
    def num_rows(self) -> int:
        """How many rows there are (N)."""
        return len(self.frame)

    def texts(self, column: str) -> list[str]:
        """Return a column as texts; whole numbers without a point, nothing where it is missing."""
        return [_text(value) for value in self.frame[column].to_list()]

    def numbers(self, column: str) -> Vector:
        """Return a column as numbers; not a number where it is missing or no number; [N]."""
        return np.array([_number(value) for value in self.frame[column].to_list()])

    def strange(self, column: str) -> list[int]:
        """Return the rows where something stands that is no number."""
        values = self.frame[column].to_list()
        pairs = zip(values, self.numbers(column), strict=True)
        return [n for n, (value, number) in enumerate(pairs) if _is_strange(value, number)]

    def is_label(self, column: str) -> bool:
        """Return whether a column tells runs apart: by its name, or as most of it is no number."""
        if column.lower() in LABELS or column.startswith("Unnamed:"):
            return True
        kind = self.frame.schema[column]
        if kind.is_nested() or kind.is_temporal() or kind == pl.Boolean:
            return True
        filled = sum(text.lower() not in _MISSING for text in self.texts(column))
        return bool(filled) and 2 * len(self.strange(column)) > filled

    def where(self, row: int, label: str | None = None) -> str:
        """Return the words for a row, counted from 1 below the header."""
        text = self.texts(label)[row] if label else ""
        return f"{self.path.name}, row {row + 1}" + (f" ({label} {text})" if text else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What is wrong in some files, collected so that all of it is reported at once."""

    listed: list[str] = field(default_factory=list)

    def add(self, fault: str) -> None:
        """Note one fault: where it is and what is wrong."""
        self.listed.append(fault)

    def add_all(self, faults: Sequence[str], rest: str) -> None:
        """Note some faults of one kind; the first dozen in words, the others by their number."""
        self.listed.extend(faults[:_MOST_LISTED])
        if len(faults) > _MOST_LISTED:
            self.listed.append(f"{rest}: {len(faults) - _MOST_LISTED} more rows like these")

    def refuse(self, what: str, remedy: str) -> None:
        """Raise a law error that lists all faults; pass when there are none."""
        if self.listed:
            count = "1 fault" if len(self.listed) == 1 else f"{len(self.listed)} faults"
            message = f"{what}: {count}"
            why = "\n".join(f"  - {fault}" for fault in self.listed)
            raise LawError(message, why=why, remedy=remedy)


def read_sheet(path: Path) -> Sheet:
    """Read a file of comma- or tab-separated values, Parquet or JSON lines.

    Raises:
        NotFoundError: there is no such file.
        LawError: it is of another format, damaged, empty, or has two columns of one name.
    """
    if not path.is_file():
        message = f"no such file: {path}"
        raise NotFoundError(message, remedy="Check the path.")
    endings = [ending.lower() for ending in path.suffixes]
    ending = next((known for known in reversed(endings) if known in _READERS), "")
    if not ending:
        message = f"cannot tell the format of {path}"
        remedy = f"Name it with one of the endings {', '.join(sorted(_READERS))}."
        raise LawError(message, remedy=remedy)
    try:
        frame = _READERS[ending](path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"cannot read {path}"
        why = str(error).split("\n", maxsplit=1)[0]
        raise LawError(message, why=why, remedy="Write the file again.") from error
    if not len(frame):
        message = f"{path} has no rows"
        raise LawError(message, remedy="A table has a header and one row per run.")
    return Sheet(path=path, frame=frame)


def _read_separated(path: Path) -> pl.DataFrame:
    """Read all values as texts, so that every fault can be named as it was written."""
    first = path.read_text(encoding="utf-8-sig").partition("\n")[0].rstrip("\r")
    separator = max(_SEPARATORS, key=first.count)
    header = next(csv.reader([first], delimiter=separator), [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        message = f"{path} has two columns of one name: {', '.join(map(repr, twice))}"
        raise LawError(message, remedy="Rename one of them, or leave it out.")
    return pl.read_csv(path, separator=separator, infer_schema=False)


_READERS: Final[Mapping[str, Callable[[Path], pl.DataFrame]]] = {
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".parquet": pl.read_parquet,
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _number(value: object) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
    return found if np.isfinite(found) else float("nan")


def _is_strange(value: object, number: float) -> bool:
    if not np.isnan(number) or isinstance(value, float):
        return False
    text = _text(value).lower()
    return text not in _MISSING and text.lstrip("+-") not in {"inf", "infinity"}
