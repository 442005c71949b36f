"""One contestant in a process of its own: what it costs while it works, and what it counted.

A contestant says when it is ready, so that its imports are told apart, and then what it counted.
It may run under another interpreter, so this file needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

_READY = "ready"
_SAMPLE_SECONDS = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1024


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one contestant cost.

    Attributes:
        counted: what it says that it found.
        start_up_seconds: CPU-seconds before it was ready.
        seconds: by the clock, from then on.
        cpu_seconds: of all its processes, from then on.
        peak_bytes: most memory that all its processes held at a time; pages shared count twice.
        peaks: most memory of every process, the main one first.
        failure: the last lines of what it wrote, where it failed.
    """

    counted: Mapping[str, Any] = field(default_factory=dict)
    start_up_seconds: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    peaks: tuple[int, ...] = ()
    failure: str = ""


def say_ready() -> None:
    """Say that the work begins."""
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()


def say_counted(counted: Mapping[str, Any]) -> None:
    """Say what was counted, when the work is done."""
    sys.stdout.write(json.dumps(counted) + "\n")
    sys.stdout.flush()


def run_child(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Run:
    """Run a contestant to its end."""
    with log.open("wb") as narration:
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=narration,
            env={**os.environ, **environment},
            text=True,
        )
    watch = _Watch(child.pid)
    watch.start()
    assert child.stdout is not None
    said = child.stdout.readline()
    began, start_up = perf_counter(), _cpu_seconds(child.pid)
    counted = child.stdout.read()
    seconds = perf_counter() - began
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    watch.stop()
    if child.returncode or said.strip() != _READY:
        return Run(failure=_last_lines(log))
    # What was not waited for is not in the usage of the main process, but it was watched.
    cpu_seconds = max(usage.ru_utime + usage.ru_stime, sum(watch.cpu_seconds.values()))
    return Run(
        counted=json.loads(counted.splitlines()[-1]),
        start_up_seconds=start_up,
        seconds=seconds,
        cpu_seconds=cpu_seconds - start_up,
        peak_bytes=watch.peak_bytes,
        peaks=tuple(watch.peaks.values()),
    )


class _Watch(threading.Thread):
    """Looks at a process and its descendants from time to time."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root, self._over = root, threading.Event()
        self.peak_bytes = 0
        self.peaks: dict[int, int] = {}
        self.cpu_seconds: dict[int, float] = {}

    def run(self) -> None:
        while not self._over.is_set():
            total = 0
            for process in _family(self._root):
                held, most = _memory(process)
                total += held
                self.peaks[process] = max(most, self.peaks.get(process, 0))
                spent = _cpu_seconds(process)
                self.cpu_seconds[process] = max(spent, self.cpu_seconds.get(process, 0.0))
            self.peak_bytes = max(self.peak_bytes, total)
            sleep(_SAMPLE_SECONDS)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _family(root: int) -> list[int]:
    """Return a process and all below it, as far as they are alive."""
    found, left = [], [root]
    while left:
        process = left.pop()
        found.append(process)
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            left += [int(number) for number in _read(children).split()]
    return found


def _memory(process: int) -> tuple[int, int]:
    """Return the bytes that a process holds in memory, and the most it held."""
    lines = (line.split() for line in _read(Path(f"/proc/{process}/status")).splitlines())
    told = {words[0]: words[1] for words in lines if len(words) > 1}
    return tuple(int(told.get(key, 0)) * _KILOBYTE for key in ("VmRSS:", "VmHWM:"))  # type: ignore[return-value]


def _cpu_seconds(process: int) -> float:
    """Return what a process has spent so far, without its children."""
    told = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / _TICKS if told else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
