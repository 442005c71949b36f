"""Timing of programs against each other: each in a process of its own, in turns, over equal cells.

A contestant is an endless training loop that calls `Pace.step` after every step. What it does
before its laps begin is its start-up and is reported apart. Laps alternate between contestants,
and ratios are medians over laps of one round, so that a busy neighbour hits both sides. The first
figure is tokens per CPU-second, which a busy machine bends less than tokens per second.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from types import TracebackType
from typing import Any, Self

_WARM_UP_STEPS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Lap:
    """Some steps of one contestant."""

    tokens: int
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A way to train; several processes of it run at once."""

    name: str
    train: Callable[[Any, Pace], None]
    """Is given the cell; picklable by name, and endless."""
    processes: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """All laps of one contestant over one cell, or why there are none."""

    name: str
    laps: tuple[Lap, ...] = ()
    start_up_cpu_seconds: float = 0.0
    failure: str = ""

    @property
    def tokens_per_cpu_second(self) -> float:
        """Median over laps."""
        return statistics.median(lap.tokens / lap.cpu_seconds for lap in self.laps)

    @property
    def tokens_per_second(self) -> float:
        """Median over laps, by the clock."""
        return statistics.median(lap.tokens / lap.wall_seconds for lap in self.laps)

    def ratio(self, other: Timing) -> float:
        """Return how many times as many tokens per CPU-second it trains, paired by round."""
        pairs = zip(self.laps, other.laps, strict=True)
        return statistics.median(
            (mine.tokens / mine.cpu_seconds) / (theirs.tokens / theirs.cpu_seconds)
            for mine, theirs in pairs
        )

    def wall_ratio(self, other: Timing) -> float:
        """Return the same by the clock."""
        pairs = zip(self.laps, other.laps, strict=True)
        return statistics.median(
            (mine.tokens / mine.wall_seconds) / (theirs.tokens / theirs.wall_seconds)
            for mine, theirs in pairs
        )


class Pace:
    """In the contestant's process: holds it until its turn, and times its laps."""

    def __init__(self, line: Connection, lap_seconds: float) -> None:
        """Begin with the start-up."""
        self._line, self._lap_seconds = line, lap_seconds
        self._began = (process_time(), perf_counter())
        self._done = 0
        self._lap_steps = 0
        self._tokens = 0

    def step(self, tokens: int) -> None:
        """Note a step that was done; may wait here for the next turn."""
        self._done += 1
        self._tokens += tokens
        if self._lap_steps:
            if self._done == self._lap_steps:
                self._report()
            return
        if self._done == _WARM_UP_STEPS:
            self._warm = process_time()
        spent = process_time() - self._warm if self._done > _WARM_UP_STEPS else 0.0
        if spent > self._lap_seconds / 4:
            steps = self._done - _WARM_UP_STEPS
            self._lap_steps = max(1, round(self._lap_seconds * steps / spent))
            self._line.send(self._warm - self._began[0])
            self._wait()

    def _report(self) -> None:
        cpu, wall = self._began
        lap = Lap(
            tokens=self._tokens,
            cpu_seconds=process_time() - cpu,
            wall_seconds=perf_counter() - wall,
        )
        self._line.send(lap)
        self._wait()

    def _wait(self) -> None:
        if not self._line.recv():
            raise _CellOver
        self._done = self._tokens = 0
        self._began = (process_time(), perf_counter())


class Race:
    """The processes of all contestants; a context manager that ends them."""

    def __init__(self, contestants: Sequence[Contestant], *, lap_seconds: float = 1.0) -> None:
        """Prepare; processes start when the race is entered."""
        self._contestants = contestants
        self._lap_seconds = lap_seconds
        self._lines: dict[str, list[Connection]] = {}
        self._processes: list[Any] = []

    def __enter__(self) -> Self:
        """Start the processes, each with one thread."""
        spawn = get_context("spawn")
        os.environ["OMP_NUM_THREADS"] = "1"
        for contestant in self._contestants:
            for _ in range(contestant.processes):
                here, there = spawn.Pipe()
                arguments = (there, contestant.train, self._lap_seconds, list(sys.path))
                process = spawn.Process(target=_serve, args=arguments, daemon=True)
                process.start()
                there.close()
                self._processes.append(process)
                self._lines.setdefault(contestant.name, []).append(here)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()
            process.join()

    def run(self, cell: object, rounds: int, names: Sequence[str] = ()) -> list[Timing]:
        """Return the timings over one cell, in the order of the contestants.

        Args:
            cell: what every contestant is given.
            rounds: laps of each.
            names: of those that take part; by default all.
        """
        chosen = [each.name for each in self._contestants if not names or each.name in names]
        started = {name: self._start(name, cell) for name in chosen}
        running = [name for name in chosen if not isinstance(started[name], str)]
        laps: dict[str, list[Lap]] = {name: [] for name in running}
        for number in range(rounds):
            # Every other round goes the other way, so that a drift favours nobody.
            for name in running if number % 2 == 0 else reversed(running):
                laps[name].append(self._lap(name))
        for name in running:
            for line in self._lines[name]:
                line.send(False)  # noqa: FBT003 - the whole protocol is go on, or not
        return [_timing(name, started[name], laps.get(name, [])) for name in chosen]

    def _start(self, name: str, cell: object) -> float | str:
        for line in self._lines[name]:
            line.send(cell)
        answers = [line.recv() for line in self._lines[name]]
        failures = [answer for answer in answers if isinstance(answer, str)]
        return failures[0] if failures else float(sum(answers))

    def _lap(self, name: str) -> Lap:
        for line in self._lines[name]:
            line.send(True)  # noqa: FBT003 - the whole protocol is go on, or not
        laps: list[Lap] = [line.recv() for line in self._lines[name]]
        return Lap(
            tokens=sum(lap.tokens for lap in laps),
            cpu_seconds=sum(lap.cpu_seconds for lap in laps),
            wall_seconds=max(lap.wall_seconds for lap in laps),
        )


class _CellOver(BaseException):
    """Ends a training loop, whatever exceptions it catches."""


def _serve(
    line: Connection, train: Callable[[Any, Pace], None], lap_seconds: float, path: list[str]
) -> None:
    sys.path[:] = path
    import torch  # noqa: PLC0415 - only in processes that train

    torch.set_num_threads(1)
    while True:
        cell = line.recv()
        try:
            train(cell, Pace(line, lap_seconds))
        except _CellOver:
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            line.send(f"{type(error).__name__}: {error}"[:200])


def _timing(name: str, started: float | str, laps: Sequence[Lap]) -> Timing:
    if isinstance(started, str):
        return Timing(name=name, failure=started)
    return Timing(name=name, laps=tuple(laps), start_up_cpu_seconds=started)
