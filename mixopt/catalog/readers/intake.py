"""The intake of one file: how many documents were read, and what became of those not taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["line", "row", "byte", "file"]

_KEPT = 1000


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
        unit: what `offset` counts: lines and rows from 1, bytes (after unpacking) from 0.
        offset: where the broken piece stands; 0 for a whole file.
        reason: what is wrong with it.
    """

    unit: Unit
    offset: int
    reason: str


class Intake:
    """Counts what a file gave: read = taken + filtered + quarantined, always.

    Attributes:
        read: records that were met; a part of a file that cannot be read at all is one.
        filtered: whole documents that the source leaves out, by length or by its filter.
        quarantined: broken pieces; the first thousand are kept as `entries`.
        entries: what is wrong with each of them.
    """

    def __init__(self) -> None:
        self.read = 0
        self.filtered = 0
        self.quarantined = 0
        self.entries: list[QuarantineEntry] = []

    @property
    def taken(self) -> int:
        """Documents that are neither filtered nor quarantined."""
        return self.read - self.filtered - self.quarantined

    def accept(self, count: int = 1) -> None:
        """Count whole documents; called by the readers as they yield them."""
        self.read += count

    def leave_out(self, count: int = 1) -> None:
        """Count accepted documents that the source does not want."""
        self.filtered += count

    def quarantine(self, unit: Unit, offset: int, reason: str) -> None:
        """Set one broken piece of input aside; it counts as read."""
        self.read += 1
        self.quarantined += 1
        if len(self.entries) < _KEPT:
            self.entries.append(QuarantineEntry(unit=unit, offset=offset, reason=reason))
