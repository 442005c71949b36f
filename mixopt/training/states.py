"""States of members on disk: forks that later runs share, and checkpoints that a killed run goes on from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from mixopt.errors import CheckpointError
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.result import Figure
from mixopt.proxy.checkpoint import read_tensors, write_tensors
from mixopt.schedule.layout import StageOutcome

FOLDER: Final = "states"  # in the folder of a study
_FORM = "mixopt-state-2"
_SUFFIX = ".safetensors"
_MOMENTS = ("first_moments", "second_moments")

Use = Literal["shared", "running"]
"""`shared`: the end of a node that others go on from, kept up to the size limit.
`running`: a node that is being trained, never evicted and removed once it is not needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One row of a stack and of its optimizer, on the CPU."""

    parameters: Tensor  # [P]
    first_moments: Tensor | None = None  # [P]; None where an optimizer starts afresh
    second_moments: Tensor | None = None  # [P]
    steps: float = 0.0  # that the optimizer has taken

    def fresh(self) -> State:
        """Return the state without what the optimizer remembers."""
        return State(parameters=self.parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What sessions decided and noted on the way to a node."""

    outcomes: Mapping[int, StageOutcome] = field(default_factory=dict)  # by position of the stage
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """How far a node was trained, and what was found out on the way to it."""

    step: int  # of the node
    state: State | None  # None where it diverged
    measures: tuple[Measure, ...]  # of all legs before
    examined: bool = False  # whether the measures after the node are among them
    diverged_at: int | None = None  # step of the leg
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True, kw_only=True, slots=True)
class StateSettings:
    """Where states are kept, and how many."""

    folder: Path
    limit_bytes: int = 4 << 30  # of shared states; the least recently used are removed
    interval_seconds: float = 60.0  # between checkpoints of what is running
    largest_share: float = 0.05  # of the time, for checkpoints; large proxies have fewer
    keep_stages: bool = False  # whether later trials can begin with any stage of these


class StateCache:
    """The states in a folder, by the key of their node.

    Several processes may use one folder: files appear whole or not at all, and a key is trained by
    one process at a time. A file that is damaged counts as missing: its node is trained again.
    """

    def __init__(self, settings: StateSettings) -> None:
        """Name the folder; it is made with the first state."""
        self.settings = settings

    def load(self, key: str) -> Saved | None:
        """Return the farthest whole state of a node, or None."""
        for path in sorted(self._files(key), key=_step_of, reverse=True):
            try:
                saved = _read(path)
            except CheckpointError:
                path.unlink(missing_ok=True)
                continue
            _touch(path)
            return saved
        return None

    def save(self, key: str, saved: Saved, use: Use) -> None:
        """Keep a state, and drop older ones of the same node that were of the same use."""
        path = self._folder(use) / f"{key}-{saved.step:08d}{_SUFFIX}"
        older = [each for each in self._folder(use).glob(f"{key}-*{_SUFFIX}") if each != path]
        _write(path, saved)
        for each in older:
            each.unlink(missing_ok=True)
        if use == "shared":
            self._evict()

    def drop_running(self, keys: Iterable[str]) -> None:
        """Remove the checkpoints of nodes that need none any more."""
        for key in keys:
            for pattern in (f"{key}-*", f".{key}-*"):  # with what a killed writer left beside
                for path in self._folder("running").glob(pattern):
                    path.unlink(missing_ok=True)

    def _folder(self, use: Use) -> Path:
        return self.settings.folder / use

    def _files(self, key: str) -> list[Path]:
        uses: tuple[Use, ...] = ("shared", "running")
        return [path for use in uses for path in self._folder(use).glob(f"{key}-*{_SUFFIX}")]

    def _evict(self) -> None:
        """Remove shared states, the least recently used first, until the rest is within the limit."""
        found = []
        for path in self._folder("shared").glob(f"*{_SUFFIX}"):
            try:
                known = path.stat()
            except FileNotFoundError:  # another process was faster
                continue
            found.append((known.st_mtime_ns, path.name, known.st_size, path))
        total = sum(size for _, _, size, _ in found)
        for _, _, size, path in sorted(found):
            if total <= self.settings.limit_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def _step_of(path: Path) -> int:
    return int(path.name.removesuffix(_SUFFIX).rpartition("-")[2])


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:  # evicted by another process after it was read
        return


def _write(path: Path, saved: Saved) -> None:
    state = saved.state or State(parameters=torch.empty(0))
    tensors = {"parameters": state.parameters}
    for name in _MOMENTS:
        part = getattr(state, name)
        if part is not None:
            tensors[name] = part
    header = {
        "step": saved.step,
        "optimizer_steps": state.steps,
        "examined": saved.examined,
        "diverged_at": saved.diverged_at,
        "measures": [asdict(measure) for measure in saved.measures],
        "outcomes": {str(stage): asdict(each) for stage, each in saved.notes.outcomes.items()},
        "figures": [asdict(figure) for figure in saved.notes.figures],
    }
    write_tensors(path, tensors, {"state": json.dumps(header)}, form=_FORM)


def _read(path: Path) -> Saved:
    header, tensors = read_tensors(path, form=_FORM)
    known = json.loads(header["state"])
    state = State(
        parameters=tensors["parameters"],
        first_moments=tensors.get("first_moments"),
        second_moments=tensors.get("second_moments"),
        steps=known["optimizer_steps"],
    )
    return Saved(
        step=known["step"],
        state=None if known["diverged_at"] is not None else state,
        measures=tuple(Measure(**measure) for measure in known["measures"]),
        examined=known["examined"],
        diverged_at=known["diverged_at"],
        notes=Notes(
            outcomes={int(stage): _outcome(each) for stage, each in known["outcomes"].items()},
            figures=tuple(Figure(**figure) for figure in known["figures"]),
        ),
    )


def _outcome(table: dict[str, Any]) -> StageOutcome:
    mixtures = tuple(tuple(shares) for shares in table["mixtures"])
    return StageOutcome(steps=table["steps"], mixtures=mixtures)
