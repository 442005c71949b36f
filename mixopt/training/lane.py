"""A lane: members trained together from first to last stage and measured on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time

import torch

from mixopt.catalog.documents import Split
from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.evaluation.heldout import HeldOut, measure_held_out, read_held_out
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.result import MemberResult
from mixopt.evaluation.tasks import Suite, make_suite, measure_tasks
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import Stack, padded_vocabulary
from mixopt.proxy.muon import make_optimizer
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.schedule import Schedule
from mixopt.training.feed import Feed, Leg, legs_of
from mixopt.training.loop import train_leg


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One proxy to train: a schedule and the seed of its weights, data pools and order."""

    trial: str  # name of the trial
    seed: int
    schedule: Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """What every proxy is measured on."""

    split: Split  # `validation` while searching, `test` to confirm
    levels: Mapping[str, int]  # difficulty of each task family; empty for none
    problems: int  # per family
    held_out_sequences: int  # per domain


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneJob:
    """Everything a process needs to train a lane."""

    proxy: ProxyRecipe
    store: TokenStore
    members: tuple[Member, ...]
    examination: Examination


def plan_of(member: Member, proxy: ProxyRecipe, store: TokenStore) -> Plan:
    """Return the plan of one member.

    Raises:
        SupplyError: the schedule cannot be run with this catalog and proxy.
    """

    def available(domain: str) -> int:
        return store.domain(domain, "train").num_sequences(proxy.training.context)

    return make_plan(
        member.schedule, member.seed, store.inventory, proxy.training.budget, available
    )


def legs_of_member(member: Member, proxy: ProxyRecipe, store: TokenStore) -> tuple[Leg, ...]:
    """Return the legs that a member is trained through."""
    return legs_of(plan_of(member, proxy, store))


def train_lane(job: LaneJob, progress: Callable[[int], None]) -> list[MemberResult]:
    """Train and measure all members of a lane; a member never depends on its neighbours.

    Args:
        job: what to train; the members' legs must agree.
        progress: called with member-steps done since the last call.

    Raises:
        StudyError: the members' legs differ.
        SupplyError: a schedule cannot be run with this catalog and proxy.
    """
    started = process_time()
    plans = [plan_of(member, job.proxy, job.store) for member in job.members]
    legs = legs_of(plans[0])
    if any(legs_of(plan) != legs for plan in plans):
        message = "members of one lane must have the same stage kinds and steps"
        raise StudyError(message)
    stack = Stack.initialize(
        job.proxy,
        vocabulary=padded_vocabulary(job.store.tokenizer.size),
        seeds=[member.seed for member in job.members],
    )
    held_out, suite = _examination(job)
    measures: list[list[Measure]] = [[] for _ in job.members]
    diverged: dict[int, int] = {}
    for leg in legs:
        diverged = _train(stack, plans, leg, job, progress) | diverged  # the first step stays
        for slot, new in enumerate(_measure(stack, held_out, suite, leg)):
            # What is left of a diverged member can look good: it prefers no wrong answer either.
            measures[slot].extend([] if slot in diverged else new)
    seconds = (process_time() - started) / len(job.members)
    return [
        MemberResult(
            trial=member.trial,
            seed=member.seed,
            measures=tuple(each for each in measures[slot] if math.isfinite(each.value)),
            diverged_at=diverged.get(slot),
            cpu_seconds=seconds,
            tokens=sum(leg.steps for leg in legs) * job.proxy.training.step_tokens,
        )
        for slot, member in enumerate(job.members)
    ]


def _train(
    stack: Stack,
    plans: list[Plan],
    leg: Leg,
    job: LaneJob,
    progress: Callable[[int], None],
) -> dict[int, int]:
    training = job.proxy.training
    rate = training.learning_rate if leg.kind == "lm" else training.sft_learning_rate
    report = train_leg(
        stack,
        make_optimizer(stack),
        Feed(plans, leg, job.store, training.context),
        leg,
        base_rate=rate,
        progress=lambda steps: progress(steps * len(plans)),
    )
    return report.diverged


def _measure(stack: Stack, held_out: HeldOut, suite: Suite | None, leg: Leg) -> list[list[Measure]]:
    """Measure text after every leg, and task problems once a leg has taught how to answer."""
    with torch.no_grad():
        found = measure_held_out(stack, held_out, leg.name)
        if suite is not None and leg.kind == "sft":
            answered = measure_tasks(stack, suite, leg.name)
            found = [[*text, *tasks] for text, tasks in zip(found, answered, strict=True)]
    return found


def _examination(job: LaneJob) -> tuple[HeldOut, Suite | None]:
    wanted = job.examination
    held_out = read_held_out(
        job.store,
        job.store.inventory.names("text"),
        wanted.split,
        sequences=wanted.held_out_sequences,
        context=job.proxy.training.context,
    )
    if not wanted.levels:
        return held_out, None
    suite = make_suite(
        wanted.levels, wanted.split, problems=wanted.problems, tokenizer=job.store.tokenizer
    )
    return held_out, suite
