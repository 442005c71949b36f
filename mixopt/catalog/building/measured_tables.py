"""What the store of measurements is given, as Arrow tables, and the buffer that gathers it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from mixopt.catalog.building.jobs import Key, Outcome
from mixopt.catalog.locations import File, is_remote

_BUFFER_BYTES = 8 << 20
_BUFFER_FILES = 4096
_BUFFER_SECONDS = 5.0

_WANTED = pa.schema(
    {
        "place": pa.int64(),
        "location": pa.string(),
        "num_bytes": pa.int64(),
        "modified": pa.string(),
        "reading": pa.string(),
    }
)
_FILES = pa.schema(
    {
        "file": pa.int64(),
        "location": pa.string(),
        "num_bytes": pa.int64(),
        "modified": pa.string(),
        "checksum": pa.string(),
        "reading": pa.string(),
        "measuring": pa.string(),
        "read": pa.int64(),
        "filtered": pa.int64(),
        "quarantined": pa.int64(),
        "taken": pa.int64(),
    }
)
_ENTRIES = pa.schema(
    {"file": pa.int64(), "unit": pa.string(), "position": pa.int64(), "reason": pa.string()}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file whose measurement is needed.

    Attributes:
        file: the file as it was listed.
        reading: digest of all that decides which documents it gives.
    """

    file: File
    reading: str

    @property
    def key(self) -> Key:
        """Names what is wanted, whatever the file's version."""
        return (self.file.location, self.reading)


@dataclass(kw_only=True, slots=True)
class Buffer:
    """Measurements that wait until they are worth a transaction."""

    chunks: list[pa.Table] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    num_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to write."""
        return (
            self.num_bytes >= _BUFFER_BYTES
            or len(self.outcomes) >= _BUFFER_FILES
            or time.monotonic() - self.since >= _BUFFER_SECONDS
        )

    def add(self, chunk: pa.Table) -> None:
        """Add measurements of documents."""
        self.chunks.append(chunk)
        self.num_bytes += chunk.nbytes


def wanted_table(wanted: Sequence[Wanted], places: Sequence[int]) -> pa.Table:
    """Return the wanted files at some places as the table `wanted`."""
    files = [wanted[place].file for place in places]
    columns = [
        places,
        [file.location for file in files],
        [file.num_bytes for file in files],
        [file.modified for file in files],
        [wanted[place].reading for place in places],
    ]
    return pa.table(columns, schema=_WANTED)


def numbers_table(numbers: Sequence[int]) -> pa.Table:
    """Return numbers of files as the column `file`."""
    return pa.table({"file": pa.array(numbers, pa.int64())})


def files_table(outcomes: Sequence[Outcome], measuring: str) -> pa.Table:
    """Return the rows of `files` for outcomes."""
    rows = [
        {
            "file": outcome.job.number,
            "location": outcome.job.file.location,
            "num_bytes": outcome.job.file.num_bytes,
            "modified": outcome.job.file.modified if is_lasting(outcome) else "",
            "checksum": outcome.checksum if is_lasting(outcome) else None,
            "reading": outcome.job.reading,
            "measuring": measuring,
            "read": outcome.taken + outcome.filtered + outcome.quarantined,
            "filtered": outcome.filtered,
            "quarantined": outcome.quarantined,
            "taken": outcome.taken,
        }
        for outcome in outcomes
    ]
    return pa.Table.from_pylist(rows, schema=_FILES)


def is_lasting(outcome: Outcome) -> bool:
    """Return whether reading the file again would give the same.

    A whole file in quarantine may have been closed to this user, or have met a process that died;
    where a remote one is damaged it may be the connection. These are read again by the next build.
    A broken record that was read whole stays one.
    """
    if any(entry.unit == "file" for entry in outcome.entries):
        return False
    is_damaged = any(entry.reason.startswith("damaged") for entry in outcome.entries)
    return not (is_damaged and is_remote(outcome.job.file.location))


def entries_table(outcomes: Sequence[Outcome]) -> pa.Table:
    """Return the rows of `entries` for outcomes."""
    rows = [
        {
            "file": outcome.job.number,
            "unit": entry.unit,
            "position": entry.offset,
            "reason": entry.reason,
        }
        for outcome in outcomes
        for entry in outcome.entries
    ]
    return pa.Table.from_pylist(rows, schema=_ENTRIES)
