"""Reading and measuring files, as every worker does: documents in, tables of measurements out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from mixopt.catalog.building.jobs import Job, Outcome
from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, checksum, file_at
from mixopt.catalog.measuring.measure import Measuring, measure_batch
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.errors import CatalogError, MixoptError

Message: TypeAlias = pa.Table | Outcome

_BATCH_BYTES = 1 << 20
_BATCH_DOCUMENTS = 4096


def measure_files(jobs: Iterable[Job], measuring: Measuring) -> Iterator[Message]:
    """Yield tables of measured documents, and the outcome of every file after its last table.

    A table has the columns of `document_schema` and `file`, the number of the job. Documents of
    several small files are measured together; what is held in memory is one batch.

    Raises:
        CatalogError: a file cannot be reached, for no fault of its own.
    """
    batch = _Batch()
    for job in jobs:
        intake, count = Intake(), 0
        for document in _documents(job, measuring, intake):
            batch.add(job.number, count, document)
            count += 1
            if batch.is_full:
                yield batch.measured(measuring)
                yield from batch.outcomes
                batch = _Batch()
        batch.outcomes.append(_outcome(job, intake, count))
    if batch.documents:
        yield batch.measured(measuring)
    yield from batch.outcomes


def first_bytes(documents: Iterable[Document], limit: int | None) -> Iterator[Document]:
    """Yield documents until their bytes reach a limit."""
    taken = 0
    for document in documents:
        yield document
        if limit is None:
            continue
        taken += document.num_bytes
        if taken >= limit:
            return


@dataclass(kw_only=True, slots=True)
class _Batch:
    """Documents that are measured together, of the files that `numbers` names."""

    documents: list[Document] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    num_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.num_bytes >= _BATCH_BYTES or len(self.documents) >= _BATCH_DOCUMENTS

    def add(self, number: int, place: int, document: Document) -> None:
        self.documents.append(document)
        self.numbers.append(number)
        self.places.append(place)
        self.num_bytes += sum(map(len, document.contents))

    def measured(self, measuring: Measuring) -> pa.Table:
        table = measure_batch(self.documents, measuring, first=0)
        places = pa.array(np.array(self.places, np.int32))
        column = table.schema.get_field_index("document")
        table = table.set_column(column, table.schema.field(column), places)
        return table.append_column("file", pa.array(np.array(self.numbers, np.int64)))


def _documents(job: Job, measuring: Measuring, intake: Intake) -> Iterator[Document]:
    """Yield the documents of a file; a reader that fails leaves the rest of it in quarantine."""
    load = _keeping(measuring.counting.load)
    try:
        documents = read_documents(job.file, job.source, job.schema, intake, load=load)
        yield from first_bytes(documents, job.part)
    except MixoptError:
        raise
    except Exception as error:  # noqa: BLE001 - no file may stop the others
        intake.quarantine("file", 0, f"cannot be read: {type(error).__name__}: {error}")


@cache
def _keeping(load: Callable[[str], TokenCounter]) -> Callable[[str], TokenCounter]:
    """Return what loads every tokenizer once in a process."""
    return cache(load)


def _outcome(job: Job, intake: Intake, taken: int) -> Outcome:
    """Return the outcome; documents that a reader had ready but nobody took are not counted."""
    return Outcome(
        job=job,
        taken=taken,
        filtered=intake.filtered,
        quarantined=intake.quarantined,
        entries=tuple(intake.entries),
        checksum=_checksum(job),
        now=_now(job.file),
    )


def _checksum(job: Job) -> str | None:
    if job.part is not None:
        return None
    try:
        return checksum(job.file)
    except OSError:
        return None


def _now(file: File) -> File | None:
    """Return the file as it is now; one that could not be looked at before counts as it was."""
    if not file.modified:
        return file
    try:
        return file_at(file.location, file.storage)
    except (CatalogError, OSError):
        return None
