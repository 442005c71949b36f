"""The local engine: lanes in one-thread worker processes of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.queues import SimpleQueue
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Self

import torch

from mixopt.errors import StudyError
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.memory import keep_freed_memory
from mixopt.training.lane import LaneJob, train_lane
from mixopt.training.runs import OnProgress, OnResults, Reports

_POLL_SECONDS = 0.2
_REPORT_SECONDS = 0.5

_News = int | list[MemberResult]  # member-steps done, or members that ended

_news_queue: SimpleQueue[_News] | None = None  # of a worker process, set once when it starts


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalEngine:
    """Trains lanes in worker processes; one thread each, which is faster than sharing threads."""

    def __init__(self, workers: int | None = None) -> None:
        """Prepare; processes start with the first lane.

        Args:
            workers: processes; by default one per processor.
        """
        self.workers = workers or processors()
        self._pool: ProcessPoolExecutor | None = None
        self._queue: SimpleQueue[_News] | None = None

    def __enter__(self) -> Self:
        """Make the pool of processes."""
        spawn = get_context("spawn")
        self._queue = spawn.SimpleQueue()
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=spawn, initializer=_start_worker, initargs=(self._queue,)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the processes; when an error passes through, without waiting for their lanes."""
        if self._pool is None:
            return
        if error is not None:
            for process in list((self._pool._processes or {}).values()):  # noqa: SLF001 - no public way to stop a running task
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def run(self, jobs: Sequence[LaneJob], on_results: OnResults, on_progress: OnProgress) -> None:
        """Train all jobs; see `Engine.run`.

        Raises:
            StudyError: a worker process died.
        """
        if self._pool is None:
            message = "the engine has not been entered"
            raise ValueError(message)
        waiting = {self._pool.submit(_train_in_worker, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            # What a lane had to say is in the queue before the lane ends; it comes before failures.
            self._hear(on_results, on_progress)
            for future in done:
                _check(future)

    def _hear(self, on_results: OnResults, on_progress: OnProgress) -> None:
        steps = 0
        while self._queue is not None and not self._queue.empty():
            news = self._queue.get()
            if isinstance(news, int):
                steps += news
            else:
                on_results(news)
        on_progress(steps)


class InlineEngine:
    """Trains lanes one after the other in this process."""

    workers = 1

    def __enter__(self) -> Self:
        """Do nothing: there is nothing to start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: there is nothing to stop."""

    def run(self, jobs: Sequence[LaneJob], on_results: OnResults, on_progress: OnProgress) -> None:
        """Train all jobs; see `Engine.run`."""
        for job in jobs:
            train_lane(job, Reports(progress=on_progress, results=on_results, stop=job.stop))


def _check(future: Future[None]) -> None:
    try:
        future.result()
    except BrokenProcessPool as error:
        what = "a worker process died"
        raise StudyError(
            what,
            why="Most often the machine ran out of memory.",
            remedy="Finished trials are kept. Run the same command again, with a smaller `lane` "
            "or fewer --workers.",
        ) from error


def _start_worker(queue: SimpleQueue[_News]) -> None:
    global _news_queue  # noqa: PLW0603 - the only way a pool hands its workers a queue
    _news_queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()


def _end_with_parent() -> None:
    """Leave no worker behind when the parent is killed and cannot stop it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train_in_worker(job: LaneJob) -> None:
    reporter = _Reporter()
    train_lane(job, Reports(progress=reporter.add, results=_tell, stop=job.stop))
    reporter.flush()


def _tell(news: _News) -> None:
    if _news_queue is not None:
        _news_queue.put(news)


class _Reporter:
    """Sends progress to the parent process a few times a second rather than at every step."""

    def __init__(self) -> None:
        self._steps = 0
        self._last = monotonic()

    def add(self, steps: int) -> None:
        self._steps += steps
        if monotonic() - self._last > _REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._steps:
            _tell(self._steps)
        self._steps = 0
        self._last = monotonic()
