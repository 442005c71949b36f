"""What is to be measured: one job for every file, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.locations import File, file_at
from mixopt.catalog.readers.intake import QuarantineEntry
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import (
    CodeSource,
    FileSource,
    MdsSource,
    MegatronSource,
    TokenizedSource,
)
from mixopt.errors import CatalogError
from mixopt.recipes.digest import digest

_VERSION = 1
"""Goes up when a reader gives other documents than it did, so that files are read again."""

_WHERE_IT_LIES = {"path", "include", "exclude", "limit_bytes"}

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One file to measure.

    Attributes:
        number: names this attempt in the store of measurements.
        file: the file as it was listed.
        source: how it is read.
        schema: what its documents are.
        part: reading stops at the document that reaches so many bytes; none reads all.
        reading: digest of all that decides which documents the file gives.
        attempt: counts from 1; a file that changes while it is read is read again.
    """

    number: int
    file: File
    source: FileSource
    schema: Schema
    part: int | None
    reading: str
    attempt: int = 1

    @property
    def key(self) -> Key:
        """Names what is asked for, whatever the attempt."""
        return (self.file.location, self.reading)

    @property
    def num_bytes(self) -> int:
        """Bytes of the file that are read: all of it, or its part."""
        size = self.file.num_bytes
        return size if self.part is None else min(self.part, size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one file: read = taken + filtered + quarantined.

    Attributes:
        job: what was asked for.
        taken: documents that were taken.
        filtered: documents that the source leaves out.
        quarantined: broken pieces; the first thousand are `entries`.
        entries: what is wrong with each of them.
        checksum: of the file's bytes; none of a remote file, or of one that was read in part.
        now: the file as it was after reading; none where it is gone.
    """

    job: Job
    taken: int
    filtered: int
    quarantined: int
    entries: tuple[QuarantineEntry, ...]
    checksum: str | None
    now: File | None

    @property
    def is_true(self) -> bool:
        """Whether the file is still the one that was listed."""
        return self.now == self.job.file


def set_aside(job: Job, reason: str) -> Outcome:
    """Return the outcome of a file that gives nothing, for a reason."""
    entry = QuarantineEntry(unit="file", offset=0, reason=reason)
    return Outcome(
        job=job,
        taken=0,
        filtered=0,
        quarantined=1,
        entries=(entry,),
        checksum=None,
        now=job.file,
    )


class ReadingDigests:
    """Names all that decides which documents the files of one source give.

    What a file is called counts where it has a say: its suffix tells how it is packed, a program's
    name tells its language, and a condition may ask for the path. Otherwise a file may move and
    gives the same documents.
    """

    def __init__(
        self, source: FileSource, schema: Schema, load: Callable[[str], TokenCounter]
    ) -> None:
        options = source.model_dump(mode="json", exclude=_WHERE_IT_LIES)
        if isinstance(source, TokenizedSource):
            options["tokenizer"] = load(source.tokenizer).digest
        self._source = source
        self._settings = digest({"version": _VERSION, "schema": schema, "source": options})
        self._named = cache(self._name)

    def of(self, file: File, part: int | None) -> str:
        """Return the digest of a file that is read up to a part."""
        return self._named(self._call(file), part, *_companion(file, self._source))

    def _call(self, file: File) -> str:
        if self._source.where is not None:
            return file.location
        name = file.location.rpartition("/")[2]
        return name if isinstance(self._source, CodeSource) else ".".join(name.split(".")[1:][-2:])

    def _name(self, called: str, part: int | None, *companion: str) -> str:
        return digest([self._settings, called, part, companion])


def _companion(file: File, source: FileSource) -> tuple[str, ...]:
    """Return the version of the file that tells how this one is to be read, where there is one."""
    if isinstance(source, MegatronSource):
        beside = f"{file.location.removesuffix('.bin')}.idx"
    elif isinstance(source, MdsSource):
        beside = f"{file.location.rpartition('/')[0]}/index.json"
    else:
        return ()
    try:
        found = file_at(beside, file.storage)
    except (CatalogError, OSError):
        return ("missing",)
    return (str(found.num_bytes), found.modified)
