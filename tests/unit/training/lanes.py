"""Lanes of tiny proxies: members that share beginnings, trained here and handed back by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny import EXAMINATION, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.result import MemberResult
from mixopt.proxy.config import ProxyRecipe
from mixopt.training.lane import LaneJob, plan_of, train_lane
from mixopt.training.runs import Reports, Stop, never
from mixopt.training.states import StateSettings
from mixopt.training.tree import Member, Node, grow

MUON = PROXY.model_copy(
    update={"training": PROXY.training.model_copy(update={"optimizer": "muon"})}
)
ABSURD = 1e30
LATES: tuple[dict[str, float], ...] = ({"prose": 1.0}, {"notes": 1.0}, {"drills": 1.0})

Results = dict[tuple[str, int], MemberResult]


def member(
    store: TokenStore,
    seed: int,
    share: float = 0.5,
    peak: float = 1.0,
    late: dict[str, float] | None = None,
) -> Member:
    schedule = schedule_at(store, share, peak, late=late)
    name = f"{share}-{peak}-{'-'.join(late or {})}"
    return Member(trial=name, seed=seed, schedule=schedule)


def family(store: TokenStore, seed: int = 1, share: float = 0.5) -> list[Member]:
    """Return three members whose first stage is the same."""
    return [member(store, seed, share, late=late) for late in LATES]


def job(store: TokenStore, members: Sequence[Member], **changes: Any) -> LaneJob:  # noqa: ANN401 - passed on
    made = LaneJob(proxy=PROXY, store=store, members=tuple(members), examination=EXAMINATION)
    return replace(made, **changes)


def train(
    store: TokenStore,
    members: Sequence[Member],
    *,
    stop: Stop = never,
    steps: list[int] | None = None,
    **changes: Any,  # noqa: ANN401 - passed on
) -> Results:
    """Return what became of members, without what the clock says."""
    found: list[MemberResult] = []
    done: list[int] = [] if steps is None else steps
    reports = Reports(progress=done.append, results=found.extend, stop=stop)
    train_lane(job(store, members, **changes), reports)
    assert len(found) == len(members)
    return {(each.trial, each.seed): _timeless(each) for each in found}


def _timeless(result: MemberResult) -> MemberResult:
    path = tuple(replace(node, cpu_seconds=0.0) for node in result.path)
    return replace(result, cpu_seconds=0.0, path=path)


def measures(results: Results) -> dict[tuple[str, int], tuple[Measure, ...]]:
    return {name: each.measures for name, each in results.items()}


def alone(store: TokenStore, members: Sequence[Member], proxy: ProxyRecipe = PROXY) -> Results:
    """Train every member in a lane of its own."""
    found: Results = {}
    for each in members:
        found |= train(store, [each], proxy=proxy)
    return found


def settings(folder: Path, **changes: Any) -> StateSettings:  # noqa: ANN401 - passed on
    often = StateSettings(folder=folder, interval_seconds=0.0, largest_share=math.inf)
    return replace(often, **changes)


def tree_of(store: TokenStore, members: Sequence[Member], ground: str = "") -> tuple[Node, ...]:
    return grow(members, [plan_of(each, PROXY, store) for each in members], ground)
