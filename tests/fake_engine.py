"""An engine that makes up results at once, and stops like a killed process where a test wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import pytest

from mixopt import seeds
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.result import ChosenMixture, Figure, MemberResult
from mixopt.schedule.mixture import Mixture
from mixopt.schedule.schedule import Schedule
from mixopt.study.search import run_search
from mixopt.study.setup import StudySetup
from mixopt.training.lane import LaneJob
from mixopt.training.runs import OnProgress, OnResults, Stop
from mixopt.training.tree import Member

Worth = Callable[[Schedule], float]

TEXT, TASKS = "late/bits_per_byte/mean", "sft/margin/mean"
ACCURACY = "sft/accuracy/mean"  # always the same


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


class FakeEngine:
    """Trains nothing; `trained` notes what it was asked for and handed back."""

    workers = 2

    def __init__(self, worth: Worth | None = None, *, lanes: int | None = None) -> None:
        self.worth = worth or drills_are_good
        self.lanes = lanes  # until it is killed; None for never
        self.trained: list[tuple[str, int]] = []
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def run(self, jobs: Sequence[LaneJob], on_results: OnResults, on_progress: OnProgress) -> None:
        for job in jobs:
            if self.lanes is not None and self._ended >= self.lanes:
                raise Killed
            on_results([_lived(member, self.worth, job.stop) for member in job.members])
            self.trained += [(member.trial, member.seed) for member in job.members]
            on_progress(len(job.members))
            self._ended += 1


def drills_are_good(schedule: Schedule) -> float:
    late = schedule.stage("late").curve.mean()
    return late.share("drills") - 0.5 * schedule.mean_mixture("lm").share("notes")


def made_up(member: Member, worth: Worth) -> MemberResult:
    """Return numbers that depend on the schedule and the seed alone."""
    value = worth(member.schedule)
    values = {
        TASKS: value,
        ACCURACY: 0.5,
        TEXT: 3.0 - 0.5 * value + member.schedule.stages[0].tokens / 1e6,
    }
    return MemberResult(
        trial=member.trial,
        seed=member.seed,
        measures=tuple(_measure(key, number, member) for key, number in values.items()),
        diverged_at=None,
        cpu_seconds=1.0,
        tokens=100,
        figures=_figures(member),
        chosen=_chosen(member),
    )


def _lived(member: Member, worth: Worth, stop: Stop) -> MemberResult:
    """Return all that is made up, or what there is after `late` if the member is stopped there."""
    result = made_up(member, worth)
    late = tuple(each for each in result.measures if each.stage == "late")
    if stop(member.trial, member.seed, late):
        return replace(result, measures=late, stopped_after="late")
    return result


def search(setup: StudySetup, engine: FakeEngine | None = None) -> FakeEngine:
    """Run the search and return the engine."""
    engine = engine or FakeEngine()
    run_search(setup, engine, lambda _steps: None)
    return engine


def killed_at(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int
) -> Callable[[], int]:
    """Make the process end just before a call of a method; return how often it was called."""
    calls: Counter[str] = Counter()
    original: Any = getattr(owner, name)

    def counted(*args: object, **kwargs: object) -> object:
        calls[name] += 1
        if calls[name] == call:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return lambda: calls[name]


def _measure(key: str, value: float, member: Member) -> Measure:
    stage, name, subject = key.split("/")
    noise = seeds.generator(member.seed, key, member.schedule.digest).standard_normal()
    return Measure(
        stage=stage,
        name=name,
        subject=subject,
        value=value if key == ACCURACY else value + 0.01 * float(noise),
        standard_error=0.01,
    )


def _figures(member: Member) -> tuple[Figure, ...]:
    """Open every gate somewhere between a quarter and three quarters of its two stages."""
    stages = member.schedule.stages
    return tuple(
        Figure(stage=before.name, name="opened_at", value=0.25 + 0.5 * _drawn(member, stage.name))
        for before, stage in pairwise(stages)
        if stage.gate is not None
    )


def _chosen(member: Member) -> tuple[ChosenMixture, ...]:
    """Move from the prior towards its first domain, by seed more or less."""
    found = []
    for stage in member.schedule.stages:
        if stage.online is not None:
            prior, reach = stage.curve.mean(), _drawn(member, stage.name)
            for number in range(stage.online.updates):
                since = number / stage.online.updates
                weights = [(1 - reach * since) * weight for weight in prior.weights]
                weights[0] += reach * since
                mixture = Mixture(domains=prior.domains, weights=tuple(weights))
                found.append(ChosenMixture(stage=stage.name, since=since, mixture=mixture))
    return tuple(found)


def _drawn(member: Member, stage: str) -> float:
    return float(seeds.generator(member.seed, "decided", stage).random())
