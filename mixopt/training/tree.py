"""The stage tree: members whose training begins alike share its nodes, and a node is trained once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.recipes.digest import digest
from mixopt.schedule.layout import most_drawn
from mixopt.schedule.plan import Plan
from mixopt.schedule.schedule import Schedule, StageKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One proxy to train: a schedule and the seed of its weights, data pools and order."""

    trial: str  # name of the trial
    seed: int
    schedule: Schedule

    def __hash__(self) -> int:
        """Hash the name alone: hashing a whole schedule takes its time."""
        return hash((self.trial, self.seed))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Node:
    """One stage of one seed, after the same stages before it: trained once for all its members.

    Stages of one kind in a row that are fed by the plan are a leg, and every other stage is one: the
    optimizer starts afresh with each leg. What training itself decides, such as where a gate opens,
    follows from the key; the plan has its steps as if every gate opened at its latest point.
    """

    key: str  # names everything that decides the numbers up to the node's end
    plan: Plan  # of the first member; those of the others agree up to here
    stage: int  # position in the plan
    members: tuple[Member, ...]  # all that go through
    ending: tuple[Member, ...]  # those whose schedule ends here
    leg_steps: int  # of the leg, before this stage
    ends_leg: bool
    children: tuple[Node, ...]

    @property
    def kind(self) -> StageKind:
        """What the stage trains on."""
        return self.plan.stages[self.stage].stage.kind

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.plan.stages[self.stage].stage.name

    @property
    def has_answered(self) -> bool:
        """Whether it, or a stage before it, teaches how to answer."""
        return any(part.stage.kind != "lm" for part in self.plan.stages[: self.stage + 1])

    @property
    def long_context(self) -> int:
        """Inputs per sequence of the longest `lm` stage, before this one or after it."""
        return _long_context(self.plan)

    @property
    def steps(self) -> int:
        """Optimizer steps of the stage in the plan."""
        return self.plan.stages[self.stage].steps

    @property
    def longest(self) -> int:
        """Steps from the node's beginning to the farthest end below it."""
        return self.steps + max((child.longest for child in self.children), default=0)


def grow(members: Sequence[Member], plans: Sequence[Plan], ground: str) -> tuple[Node, ...]:
    """Return the roots of the tree over some members, in their order.

    Args:
        members: in the order in which their results are wanted.
        plans: of each member.
        ground: hash of what decides the numbers of all of them: proxy, corpus, arithmetic and
            examination.
    """
    keys = [stage_keys(plan, ground) for plan in plans]
    entries = list(zip(members, plans, keys, strict=True))
    return _grow(entries, 0, 0)


def stage_keys(plan: Plan, ground: str) -> tuple[str, ...]:
    """Return for every stage of a plan the hash of all that decides the numbers up to its end.

    It covers what the plan really draws, not how the schedule words it: weights that round to the
    same quotas, domains without a sequence and anything about later stages make no difference, but
    for the longest context, which all examinations have in common.
    """
    found = [digest([ground, plan.seed, _long_context(plan)])]
    for position in range(len(plan.stages)):
        found.append(digest([found[-1], _content(plan, position)]))
    return tuple(found[1:])


def naive_steps(roots: Sequence[Node]) -> int:
    """Return the steps of all members if each were trained alone."""
    return sum(len(node.members) * node.steps for node in walk(roots))


def unique_steps(roots: Sequence[Node]) -> int:
    """Return the steps that are really trained: each node's once."""
    return sum(node.steps for node in walk(roots))


def walk(roots: Sequence[Node]) -> Iterator[Node]:
    """Yield all nodes, each before its children."""
    for node in roots:
        yield node
        yield from walk(node.children)


def share_out(roots: Sequence[Node], parts: int) -> list[tuple[Node, ...]]:
    """Deal whole trees to at most `parts` workers so that the longest has as little as can be.

    Longest processing time first (Graham, 1969): within 4/3 of the best. A tree is never split,
    so fewer trees than workers leave some of them idle.
    """
    heap: list[tuple[int, int]] = [(0, part) for part in range(parts)]
    dealt: list[list[int]] = [[] for _ in range(parts)]
    steps = [unique_steps([root]) for root in roots]
    for number in sorted(range(len(roots)), key=lambda each: (-steps[each], each)):
        load, part = heapq.heappop(heap)
        dealt[part].append(number)
        heapq.heappush(heap, (load + steps[number], part))
    return [tuple(roots[number] for number in sorted(part)) for part in dealt if part]


_Entry = tuple[Member, Plan, tuple[str, ...]]


def _grow(entries: Sequence[_Entry], stage: int, leg_steps: int) -> tuple[Node, ...]:
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry[2][stage], []).append(entry)
    return tuple(_node(key, group, stage, leg_steps) for key, group in groups.items())


def _node(key: str, entries: Sequence[_Entry], stage: int, leg_steps: int) -> Node:
    members = tuple(member for member, _, _ in entries)
    plan = entries[0][1]
    ends_leg = _ends_leg(plan, stage)
    going_on = [entry for entry in entries if len(entry[2]) > stage + 1]
    after = 0 if ends_leg else leg_steps + plan.stages[stage].steps
    return Node(
        key=key,
        plan=plan,
        stage=stage,
        members=members,
        ending=tuple(member for member, _, keys in entries if len(keys) == stage + 1),
        leg_steps=leg_steps,
        ends_leg=ends_leg,
        children=_grow(going_on, stage + 1, after),
    )


def _long_context(plan: Plan) -> int:
    return max((part.context for part in plan.stages if part.stage.kind == "lm"), default=0)


def _ends_leg(plan: Plan, stage: int) -> bool:
    parts = plan.stages[stage : stage + 2]
    if len(parts) == 1 or any(part.stage.practice for part in parts):
        return True
    return parts[0].stage.kind != parts[1].stage.kind


def _content(plan: Plan, position: int) -> list[object]:
    """Return what decides one stage of a plan; ranks go on from the quotas of earlier stages."""
    part = plan.stages[position]
    quotas = np.diff(part.drawn, axis=0)  # [blocks, M]
    drawn = [
        [plan.sources[index], plan.pools[index], quotas[:, index].tolist()]
        for index in np.flatnonzero(quotas.any(axis=0)).tolist()
    ]
    stage = part.stage
    following, steered = None, None
    if part.checks:
        gated = plan.stages[position + 1]
        following = [gated.stage.gate, gated.planned]
    if stage.online:
        later = most_drawn(plan.stages[position + 1 :], plan.sources)  # is set aside under the caps
        steered = [stage.online, stage.curve, plan.limits, plan.pools, later.tolist()]
    return [
        [stage.name, stage.kind, stage.learning_rate, stage.ordering],
        [part.steps, part.span, part.context, part.sequences, part.rope_scale, part.checks],
        [part.bounds.tolist(), drawn],
        [following, steered, stage.practice],
        _ends_leg(plan, position),
    ]
