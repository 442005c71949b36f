"""Worker processes that measure files, and the one process that takes what they found."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self, TypeAlias

import pyarrow as pa

from mixopt.catalog.building.jobs import Job, Outcome
from mixopt.catalog.building.reading import measure_files
from mixopt.catalog.measuring.measure import Measuring
from mixopt.errors import CatalogError, MixoptError

Task = Sequence[Job]

# A forked child would inherit the threads and locks of the database.
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Died:
    """A worker process ended while it measured these files; what it sent of them is void."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Done:
    """A worker is ready for a task; none before its first."""


Message: TypeAlias = pa.Table | Outcome | Died


class Workers:
    """Measures tasks in this process, or in several others; a context manager.

    Every worker holds one task and sends what it measures as it goes; the pipe that it sends
    through holds so little that it waits for the one who takes.

    Args:
        measuring: what is measured.
        count: of processes; 1 measures in this one.
    """

    def __init__(self, measuring: Measuring, count: int) -> None:
        self._measuring = measuring
        self._count = count
        self._workers: dict[Connection, _Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers.values():
            worker.stop()

    def measure(self, tasks: deque[Task]) -> Iterator[Message]:
        """Yield what the workers found, until there is no task left; more may be added meanwhile.

        Raises:
            CatalogError: a file cannot be reached, or no worker process can be started.
        """
        if self._count == 1:
            while tasks:
                yield from measure_files(tasks.popleft(), self._measuring)
            return
        while tasks or any(worker.jobs for worker in self._workers.values()):
            while len(self._workers) < self._count and len(self._workers) < len(tasks):
                worker = _Worker(self._measuring)
                self._workers[worker.connection] = worker
            for connection in self._workers_with_news(tasks):
                yield from self._take(connection)

    def _workers_with_news(self, tasks: deque[Task]) -> list[Connection]:
        for worker in self._workers.values():
            if worker.is_ready and tasks:
                worker.give(tasks.popleft())
        return [found for found in wait(list(self._workers)) if isinstance(found, Connection)]

    def _take(self, connection: Connection) -> Iterator[Message]:
        worker = self._workers[connection]
        try:
            message = connection.recv()
        except (EOFError, OSError):
            del self._workers[connection]
            yield from worker.died()
            return
        if isinstance(message, Exception):
            raise message
        if isinstance(message, _Done):
            worker.is_ready = True
            return
        if isinstance(message, Outcome):
            worker.jobs.pop(message.job.number, None)
        yield message


class _Worker:
    """One process, and the jobs whose outcome it owes."""

    def __init__(self, measuring: Measuring) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_work, args=(theirs, measuring), daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()
        self.jobs: dict[int, Job] = {}
        self.is_ready = False
        self._was_ready = False

    def give(self, task: Task) -> None:
        """Send a task; if the process is gone, its end is noticed when it is listened to."""
        self.jobs = {job.number: job for job in task}
        self.is_ready, self._was_ready = False, True
        try:
            self.connection.send(tuple(task))
        except OSError:
            self.process.join()

    def died(self) -> Iterator[Died]:
        """Tell which jobs are lost with the process."""
        self.connection.close()
        self.process.join()
        if self.jobs:
            yield Died(jobs=tuple(self.jobs.values()))
        elif not self._was_ready:
            what = "a worker process ended before it began"
            why = f"Its exit code is {self.process.exitcode}."
            raise CatalogError(what, why=why, remedy="Build with --workers 1.")

    def stop(self) -> None:
        """End the process at once; what it has not sent is lost."""
        self.process.terminate()
        self.process.join()
        self.connection.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that are started in the block ignore Ctrl-C: the one that starts them is told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Connection, measuring: Measuring) -> None:
    """Measure one task after another, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # There is a worker for every processor.
    pa.set_cpu_count(1)
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    while True:
        connection.send(_Done())
        try:
            for message in measure_files(tasks.get(), measuring):
                connection.send(message)
        except MixoptError as error:
            connection.send(error)
        except Exception as error:  # noqa: BLE001 - a fault of this program, not of a file
            connection.send(RuntimeError("".join(traceback.format_exception(error))))


def _receive(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Pass tasks on; end this process as soon as the one that gives them is gone."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)
