"""Broken input: what could not be read, where it stands, and why; it never stops a build."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Unit = Literal["line", "row", "byte", "file"]

_KEPT_PER_FILE = 1000


class BadRecordError(ValueError):
    """One record is broken; its text is the reason."""


class DamagedFileError(ValueError):
    """The rest of a file cannot be read; its text is the reason, `offset` the bytes read before."""

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineEntry:
    """One piece of broken input.

    Attributes:
        path: the file.
        unit: what `offset` counts: lines and rows from 1, bytes (after unpacking) from 0.
        offset: where the broken piece stands; 0 for a whole file.
        reason: what is wrong with it.
    """

    path: Path
    unit: Unit
    offset: int
    reason: str


class Quarantine:
    """Collects broken input; counts all of it, and keeps the first thousand entries of a file."""

    def __init__(self) -> None:
        self.entries: list[QuarantineEntry] = []
        self._counts: Counter[Path] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, path: Path, unit: Unit, offset: int, reason: str) -> None:
        """Set one piece of input aside."""
        self._counts[path] += 1
        if self._counts[path] <= _KEPT_PER_FILE:
            entry = QuarantineEntry(path=path, unit=unit, offset=offset, reason=reason)
            self.entries.append(entry)
