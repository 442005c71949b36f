"""The online session: an online policy sets the mixture of every block of a stage while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mixopt.training.feed import Feed
from mixopt.training.sessions.course import Course
from mixopt.training.sessions.laps import Lap, run_laps
from mixopt.training.sessions.probe import (
    alignments,
    find_gradients,
    find_losses,
    transfers,
    updates_between,
)
from mixopt.training.sessions.session import Bench, Ending, Pupil
from mixopt.training.sessions.views import Views

Limits = Callable[[Pupil], Mapping[str, float]]
"""Returns the most epochs of domains over all stages of a pupil; domains without a limit lack."""


def without_limits(_pupil: Pupil) -> Mapping[str, float]:
    """Return that no domain has a limit."""
    return {}


class OnlineSession:
    """Trains every pupil under the policy of its stage, block by block.

    The first block has the prior, the mixture of the stage's curve. After each block but the last
    the policy is shown what it needs, measured on training sequences of the pupil's own pools, and
    says the next mixture; no domain gets more than its limit leaves beside what the other stages
    draw by plan. A policy that compares with a reference (DoReMi) goes through the whole stage
    twice: first on the prior, to find the reference's losses, then from its start again. This
    doubles the cost; the first time is not counted as progress.
    """

    def __init__(self, limits: Limits = without_limits) -> None:
        """Keep where limits are found."""
        self._limits = limits

    def __call__(self, bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
        """See `Session`; every outcome has the mixtures of all blocks that were begun."""
        views = Views(bench)
        courses = [Course(pupil, bench.store, self._limits(pupil)) for pupil in pupils]
        _find_references(bench, views, courses)
        for block in range(max((course.blocks for course in courses), default=0)):
            laps = [course.lap() for course in courses if course.may_train(bench)]
            run_laps(bench, laps, pupils)
            _observe(views, [course for course in courses if course.may_train(bench)], block)
        return [course.ending(bench) for course in courses]


def _find_references(bench: Bench, views: Views, courses: Sequence[Course]) -> None:
    """Take pupils whose policies need it through the stage on the prior, and back to the start."""
    compared = [course for course in courses if "reference_losses" in course.policy.needs]
    starts = [bench.slots.take(course.pupil.slot) for course in compared]
    laps = [
        Lap(
            pupil=each.pupil,
            feed=Feed(each.pupil.plan, each.pupil.stage, bench.store),
            end=each.pupil.part.steps,
        )
        for each in compared
    ]
    apart = Bench(slots=bench.slots, store=bench.store, proxy=bench.proxy)  # counts for nobody
    run_laps(apart, laps, [course.pupil for course in courses])
    losses = find_losses(views, [course.probe for course in compared])
    for course, start, found in zip(compared, starts, losses, strict=True):
        course.reference_losses = found
        course.is_lost = apart.ending(course.pupil).diverged
        bench.slots.load(course.pupil.slot, start)


def _observe(views: Views, courses: Sequence[Course], block: int) -> None:
    """Measure what policies need after a block, and let them choose."""
    compared = [course for course in courses if "losses" in course.policy.needs]
    found = find_losses(views, [course.probe for course in compared])
    losses = {course.pupil.slot: row for course, row in zip(compared, found, strict=True)}
    _find_gradients(views, courses, block)
    for course in courses:
        course.update(losses.get(course.pupil.slot))


def _find_gradients(views: Views, courses: Sequence[Course], block: int) -> None:
    """Find anew what policies read from gradients, where that is due; it holds for some blocks."""
    for need, sets in (("alignments", 1), ("transfers", 2)):
        due = [
            course
            for course in courses
            if need in course.policy.needs
            and block % updates_between(sets * len(course.domains), course.block_rows) == 0
        ]
        probes = [course.probe for course in due]
        found = [find_gradients(views, probes, block * sets + number) for number in range(sets)]
        for course, *tables in zip(due, *found, strict=True):
            course.gradients[need] = transfers(*tables) if sets > 1 else alignments(*tables)
