"""A trial: one schedule scored by one or more seeds of one proxy, and its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mixopt.schedule.schedule import Schedule

Phase = Literal["scout", "search", "scale", "confirm"]

_SEEDS_PER_STUDY: Final = 10_000
_FIRST_SEED: Final[Mapping[Phase, int]] = {
    "scout": 0,
    "search": 0,
    "scale": 0,
    "confirm": 5_000,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One schedule, where it came from, and at which point of the space it lies."""

    name: str
    phase: Phase
    label: str
    number: int
    schedule: Schedule
    point: Mapping[str, float]
    proxy: str | None = None  # of a scout or larger run; None for the study's own

    def point_json(self) -> str:
        """Return the coordinates as JSON."""
        return json.dumps(dict(self.point))


def search_trial(number: int, label: str, schedule: Schedule, point: Mapping[str, float]) -> Trial:
    """Return a trial of the search."""
    return Trial(
        name=f"search-{number:04d}",
        phase="search",
        label=label,
        number=number,
        schedule=schedule,
        point=point,
    )


def confirm_trial(number: int, label: str, schedule: Schedule, point: Mapping[str, float]) -> Trial:
    """Return a trial on fresh seeds; its name holds the schedule's hash, so it is never confused."""
    return Trial(
        name=f"confirm-{label}-{schedule.digest[:6]}",
        phase="confirm",
        label=label,
        number=number,
        schedule=schedule,
        point=point,
    )


def rung_trial(
    phase: Literal["scout", "scale"],
    proxy: str,
    number: int,
    label: str,
    placed: tuple[Schedule, Mapping[str, float]],
) -> Trial:
    """Return a trial of another proxy than the study's own.

    Args:
        phase: before the search or after it.
        proxy: its name.
        number: of the trial among those of its proxy.
        label: where it came from.
        placed: the schedule, and its point of the space.
    """
    schedule, point = placed
    return Trial(
        name=f"{phase}-{proxy}-{number:04d}",
        phase=phase,
        label=label,
        number=number,
        schedule=schedule,
        point=point,
        proxy=proxy,
    )


def seeds_of(phase: Phase, count: int, study_seed: int) -> tuple[int, ...]:
    """Return the seeds of a phase; no seed that chose anything is ever used to confirm."""
    if count > _FIRST_SEED["confirm"]:
        message = f"at most {_FIRST_SEED['confirm']} seeds, got {count}"
        raise ValueError(message)
    first = study_seed * _SEEDS_PER_STUDY + _FIRST_SEED[phase]
    return tuple(range(first, first + count))
