"""Measuring the files that the store does not know, and keeping what the workers find."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from mixopt.catalog.building.finding import find_measured
from mixopt.catalog.building.jobs import Job, Key, Outcome, set_aside
from mixopt.catalog.building.measured import MeasuredStore
from mixopt.catalog.building.needed_files import Listing
from mixopt.catalog.building.workers import Died, Task, Workers

_TASK_BYTES = 16 << 20
_TASK_FILES = 256


class Measurer:
    """Has files measured, and keeps what is found.

    Args:
        store: keeps what is measured.
        workers: measure.
        threads: how many checksums to compute at once.
        progress: is told how many bytes are done, and how many there are to do.

    Attributes:
        measured: files that were read.
        reused: files whose measurement was in the store.
    """

    def __init__(
        self,
        store: MeasuredStore,
        workers: Workers,
        *,
        threads: int,
        progress: Callable[[int, int], None],
    ) -> None:
        self.measured = 0
        self.reused = 0
        self._store = store
        self._workers = workers
        self._threads = threads
        self._progress = _Progress(progress)
        self._claimed: set[int] = set()

    def measure(self, listings: Sequence[Listing]) -> None:
        """Measure all files that are needed, and give the listings their numbers.

        Raises:
            CatalogError: a file cannot be reached, or the store cannot be written.
        """
        num_bytes: dict[int, int] = {}
        while due := [(listing, place) for listing in listings for place in listing.due(num_bytes)]:
            self._measure(due)
            limited = (listing.numbers for listing in listings if listing.limit is not None)
            num_bytes = self._store.sum_bytes(sorted(set(chain.from_iterable(limited))))
        for listing in listings:
            listing.end(num_bytes)

    def _measure(self, due: Sequence[tuple[Listing, int]]) -> None:
        """Measure the files at some places; one that two sources read alike is measured once."""
        wanted = [listing.wanted[place] for listing, place in due]
        found = find_measured(self._store, wanted, claimed=self._claimed, threads=self._threads)
        jobs: dict[Key, Job] = {}
        for order, (listing, place) in enumerate(due):
            if order not in found and wanted[order].key not in jobs:
                jobs[wanted[order].key] = listing.job(place, self._store.new_number())
        outcomes = _Run(self._store, self._workers, self._progress).run(jobs.values())
        for order, (listing, place) in enumerate(due):
            number = found.get(order)
            if number is None:
                job = outcomes[wanted[order].key].job
                listing.wanted[place], number = replace(wanted[order], file=job.file), job.number
            listing.numbers.append(number)
            self._claimed.add(number)
        self.reused += len(found)
        self.measured += len(jobs)


class _Run:
    """Jobs under way, and the outcome of those that are done."""

    def __init__(self, store: MeasuredStore, workers: Workers, progress: _Progress) -> None:
        self._store = store
        self._workers = workers
        self._progress = progress
        self._tasks: deque[Task] = deque()
        self._outcomes: dict[Key, Outcome] = {}

    def run(self, jobs: Iterable[Job]) -> dict[Key, Outcome]:
        """Return the last outcome of every job; files that change are measured again, once."""
        self._tasks.extend(tasks_of(jobs))
        self._progress.expect(job for task in self._tasks for job in task)
        for message in self._workers.measure(self._tasks):
            if isinstance(message, Outcome):
                self._take(message)
            elif isinstance(message, Died):
                self._mourn(message.jobs)
            else:
                self._store.add(message)
                self._progress.read(message)
        return self._outcomes

    def _take(self, outcome: Outcome) -> None:
        job = outcome.job
        if outcome.is_true:
            self._keep(outcome)
        elif outcome.now is None:
            self._keep(set_aside(self._again(job), "it was removed while it was read"))
        elif job.attempt == 1:
            self._tasks.append([replace(self._again(job), file=outcome.now, attempt=2)])
        else:
            self._keep(set_aside(self._again(job), "it changes while it is read"))

    def _mourn(self, jobs: Sequence[Job]) -> None:
        """Find the file that a process died of: of several, each gets a process of its own."""
        if len(jobs) == 1:
            self._keep(set_aside(self._again(jobs[0]), "the process that read it died"))
        else:
            self._tasks.extend([self._again(job)] for job in jobs)

    def _again(self, job: Job) -> Job:
        """Return the job under a new number: what was added under the old one is void."""
        self._progress.drop(job)
        return replace(job, number=self._store.new_number())

    def _keep(self, outcome: Outcome) -> None:
        self._store.finish(outcome)
        self._outcomes[outcome.job.key] = outcome
        self._progress.finish(outcome.job)


class _Progress:
    """Bytes that were read, of those to read; what is packed counts as it lies on disk."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._done = 0
        self._total = 0
        self._sizes: dict[int, int] = {}
        self._under_way: Counter[int] = Counter()

    def expect(self, jobs: Iterable[Job]) -> None:
        """Count the bytes of further files."""
        for job in jobs:
            self._total += job.num_bytes
            if job.num_bytes >= _TASK_BYTES:
                self._sizes[job.number] = job.num_bytes
        self._tell(self._done, self._total)

    def read(self, chunk: pa.Table) -> None:
        """Count the documents of a large file, up to its size."""
        number = chunk["file"][0].as_py()
        if number in self._sizes:
            self._under_way[number] += pc.sum(chunk["bytes"]).as_py()
            self._tell_all()

    def drop(self, job: Job) -> None:
        """Count nothing of a file that will be read again."""
        self._under_way.pop(job.number, None)

    def finish(self, job: Job) -> None:
        """Count a whole file."""
        self.drop(job)
        self._done += job.num_bytes
        self._tell_all()

    def _tell_all(self) -> None:
        parts = (min(read, self._sizes[number]) for number, read in self._under_way.items())
        self._tell(min(self._done + sum(parts), self._total), self._total)


def tasks_of(jobs: Iterable[Job]) -> list[Task]:
    """Return the jobs in tasks, the largest files first and alone, small ones together."""
    tasks: list[list[Job]] = []
    room = 0
    for job in sorted(jobs, key=lambda job: -job.num_bytes):
        if not tasks or job.num_bytes > room or len(tasks[-1]) == _TASK_FILES:
            tasks.append([])
            room = _TASK_BYTES
        tasks[-1].append(job)
        room -= job.num_bytes
    return [tuple(task) for task in tasks]
