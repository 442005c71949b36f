"""Laps: pupils train by the plan from where they are to a step each, and wait unchanged for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixopt.corpus.store import Batch as Rows
from mixopt.training.feed import Feed, stack_rows
from mixopt.training.sessions.session import Bench, Pupil
from mixopt.training.stages.table import BATCHES
from mixopt.training.states import State


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lap:
    """The next stretch of one pupil."""

    pupil: Pupil
    feed: Feed
    end: int  # step of the stage to train to


def run_laps(bench: Bench, laps: Sequence[Lap], pupils: Sequence[Pupil]) -> None:
    """Train until every pupil is at the end of its lap, or is lost.

    An optimizer step moves the moments of all slots, also of those that have no gradient. So what is
    in a slot is set aside while it waits, and ends as it would alone.

    Args:
        bench: what to work with.
        laps: of pupils of one kind of stage, with rows of one shape.
        pupils: all whose slots are to be kept; those without a lap wait.
    """
    waiting: dict[int, State] = {}
    while ready := [lap for lap in laps if _is_under_way(bench, lap)]:
        rows: list[Rows | None] = [None] * bench.slots.width
        for lap in ready:
            rows[lap.pupil.slot] = lap.feed.rows(bench.steps(lap.pupil))
        for pupil in pupils:
            if rows[pupil.slot] is None and pupil.slot not in waiting:
                waiting[pupil.slot] = bench.slots.take(pupil.slot)
        kind = ready[0].pupil.part.stage.kind
        bench.learn(BATCHES[kind](stack_rows(rows)), [lap.pupil for lap in ready])
    for slot, state in waiting.items():
        bench.slots.load(slot, state)


def _is_under_way(bench: Bench, lap: Lap) -> bool:
    return bool(bench.live([lap.pupil])) and bench.steps(lap.pupil) < lap.end
