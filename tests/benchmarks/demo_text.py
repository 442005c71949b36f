"""Proxies on the demo's text: its catalog, schedules with mixtures by name, and members trained beside each other."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mixopt.catalog.inventory import read_inventory
from mixopt.cli.catalog import build_file
from mixopt.cli.corpus import build_store
from mixopt.corpus.store import TokenStore
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.recipes.locate import locate
from mixopt.schedule.curve import MixtureCurve, constant
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.recipe import read_schedule
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.engines.local import LocalEngine
from mixopt.study.recipe import StudyRecipe
from mixopt.training.examiner import Examination
from mixopt.training.lane import LaneJob, plan_of
from mixopt.training.tree import Member, grow, share_out

MIXTURES: Final[Mapping[str, Mapping[str, float]]] = {
    "text-heavy": {
        "code": 0.45,
        "prose": 0.45,
        "licences": 0.04,
        "drills": 0.03,
        "worked": 0.02,
        "junk": 0.01,
    },
    "task-heavy": {
        "code": 0.15,
        "prose": 0.10,
        "licences": 0.03,
        "drills": 0.45,
        "worked": 0.25,
        "junk": 0.02,
    },
    "balanced": {
        "code": 0.3,
        "prose": 0.3,
        "licences": 0.05,
        "drills": 0.2,
        "worked": 0.13,
        "junk": 0.02,
    },
    "drills": {
        "code": 0.25,
        "prose": 0.2,
        "licences": 0.05,
        "drills": 0.4,
        "worked": 0.09,
        "junk": 0.01,
    },
    "worked": {
        "code": 0.25,
        "prose": 0.2,
        "licences": 0.05,
        "drills": 0.08,
        "worked": 0.4,
        "junk": 0.02,
    },
    "junk": {
        "code": 0.2,
        "prose": 0.2,
        "licences": 0.05,
        "drills": 0.1,
        "worked": 0.05,
        "junk": 0.4,
    },
    "code": {
        "code": 0.7,
        "prose": 0.1,
        "licences": 0.05,
        "drills": 0.08,
        "worked": 0.05,
        "junk": 0.02,
    },
    "prose": {
        "code": 0.1,
        "prose": 0.65,
        "licences": 0.1,
        "drills": 0.08,
        "worked": 0.05,
        "junk": 0.02,
    },
}
"""Mixtures that are far apart, beside `natural` and `uniform`."""

_CAP: Final = 100.0  # epochs: these runs are about measures, not about supply


def open_demo(folder: Path, recipe: str) -> tuple[Space, StudyRecipe, TokenStore, ProxyRecipe]:
    """Return a shipped study on the demo's catalog, which is built if it is not there."""
    catalog = folder / "catalog.duckdb"
    if not catalog.is_file():
        build_file("demo", catalog)
    inventory = read_inventory(catalog)
    decoded = read_schedule(locate(recipe, "schedules"), inventory, StudyRecipe)
    proxy = read_proxy(decoded.study.proxy)
    store = build_store(catalog, folder / "corpus", None, proxy.training.context)
    return Space(recipe=decoded, inventory=inventory), decoded, store, proxy


def examination_of(recipe: StudyRecipe) -> Examination:
    """Return what the study of a recipe examines, on the test split."""
    wanted = recipe.study.examination
    return Examination(
        split="test",
        levels=wanted.levels,
        problems=wanted.problems,
        held_out_sequences=wanted.held_out_sequences,
        samples=wanted.samples,
        more_levels=wanted.more_levels,
    )


def schedule_with(space: Space, name: str) -> Schedule:
    """Return the recipe's schedule with one mixture in all its lm stages; ranges at their middle."""
    base = space.resolve(space.baseline(name if name in ("natural", "uniform") else "natural"))
    if name not in MIXTURES:
        return base
    return with_curves(base, constant(mixture_of(MIXTURES[name])))


def with_curves(schedule: Schedule, curve: MixtureCurve) -> Schedule:
    """Return the schedule with another curve in all its lm stages, and no cap that could bind."""
    stages = tuple(
        replace(stage, curve=curve) if stage.kind == "lm" else stage for stage in schedule.stages
    )
    caps = tuple((domain, _CAP) for domain, _ in schedule.max_epochs_of)
    return replace(schedule, stages=stages, max_epochs=_CAP, max_epochs_of=caps)


def members_of(schedules: Mapping[str, Schedule], seeds: Iterable[int]) -> list[Member]:
    """Return a member for every schedule and seed, named by its schedule."""
    return [
        Member(trial=name, seed=seed, schedule=schedule)
        for seed in seeds
        for name, schedule in schedules.items()
    ]


def train_all(
    store: TokenStore, proxy: ProxyRecipe, members: Sequence[Member], examination: Examination
) -> list[MemberResult]:
    """Return what became of members, trained on as many workers as there are processors."""
    found: list[MemberResult] = []
    plans = [plan_of(member, proxy, store) for member in members]
    with LocalEngine() as engine:
        parts = share_out(grow(members, plans, ""), engine.workers)
        jobs = [
            LaneJob(
                proxy=proxy,
                store=store,
                members=tuple(member for root in part for member in root.members),
                examination=examination,
            )
            for part in parts
        ]
        engine.run(jobs, found.extend, lambda steps: None)  # noqa: ARG005 - no bar
    lost = [each for each in found if each.diverged_at is not None]
    for each in lost:
        sys.stderr.write(f"{each.trial}, seed {each.seed} diverged at step {each.diverged_at}\n")
    return sorted(found, key=lambda each: (each.trial, each.seed))


def by_seed(results: Iterable[MemberResult], trial: str, key: str) -> dict[int, float]:
    """Return the value of a measure for every seed of a trial that has it."""
    return {
        result.seed: measure.value
        for result in results
        if result.trial == trial
        for measure in result.measures
        if measure.key == key
    }
