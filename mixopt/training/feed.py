"""The feed: batches of a lane, every member reading its own plan from the shared token store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt.corpus.store import TokenStore
from mixopt.schedule.plan import Plan
from mixopt.schedule.schedule import StageKind

_BLOCK_STEPS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """Consecutive stages of one kind, which a lane trains in one go.

    Members of a lane may change from stage to stage at different steps of a leg; the leg's kind
    and steps are the same for all.
    """

    kind: StageKind
    stages: tuple[int, ...]  # positions in the schedule
    name: str  # of the last stage
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StackBatch:
    """One step of a lane: ids [K, B, T+1]; for examples also answer masks and segments."""

    tokens: Tensor
    answers: Tensor | None
    segments: Tensor | None


def legs_of(plan: Plan) -> tuple[Leg, ...]:
    """Return the legs of a plan; plans with equal legs can share a lane."""
    groups: list[list[int]] = []
    for position, part in enumerate(plan.stages):
        if groups and plan.stages[groups[-1][-1]].stage.kind == part.stage.kind:
            groups[-1].append(position)
        else:
            groups.append([position])
    return tuple(
        Leg(
            kind=plan.stages[group[-1]].stage.kind,
            stages=tuple(group),
            name=plan.stages[group[-1]].stage.name,
            steps=sum(plan.stages[position].steps for position in group),
        )
        for group in groups
    )


class Feed:
    """Batches and learning rates of one leg, for members with plans of their own."""

    def __init__(self, plans: Sequence[Plan], leg: Leg, store: TokenStore, context: int) -> None:
        """Prepare to read; nothing is read before the first batch."""
        self._plans = plans
        self._leg = leg
        self._store = store
        self._context = context
        self._first = -1
        self._block: list[StackBatch] = []

    def batch(self, step: int) -> StackBatch:
        """Return the batch of a step of the leg; cheapest when steps are asked for in order."""
        first = step - step % _BLOCK_STEPS
        if first != self._first:
            steps = np.arange(first, min(first + _BLOCK_STEPS, self._leg.steps))
            members = [self._member(plan, steps) for plan in self._plans]
            self._block = [_stacked(members, number) for number in range(len(steps))]
            self._first = first
        return self._block[step - first]

    def rates(self, step: int) -> NDArray[np.float64]:
        """Return every member's multiple of the base learning rate at a step; [K]."""
        found = []
        for plan in self._plans:
            stage, inside = self._locate(plan, np.array([step]))
            found.append(plan.rates(int(stage[0]), inside)[0])
        return np.array(found)

    def _member(self, plan: Plan, steps: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        """Return the rows of some steps of one member; arrays of shape [steps, B, T+1]."""
        stage, inside = self._locate(plan, steps)
        draws = [plan.draw(int(now), inside[stage == now]) for now in np.unique(stage)]
        domains = np.concatenate([draw.domains for draw in draws])
        sequences = np.concatenate([draw.sequences for draw in draws])
        arrays: dict[str, NDArray[np.generic]] = {}
        for index in np.unique(domains):
            here = domains == index
            source = self._store.domain(plan.domains[index], "train")
            rows = source.gather(sequences[here], self._context)
            for name in ("tokens", "answers", "segments"):
                part = getattr(rows, name)
                if part is not None:
                    shape = (*domains.shape, self._context + 1)
                    arrays.setdefault(name, np.zeros(shape, part.dtype))[here] = part
        return arrays

    def _locate(
        self, plan: Plan, steps: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the stage, and the step inside it, of each step of the leg."""
        lengths = np.array([plan.stages[position].steps for position in self._leg.stages])
        ends = np.cumsum(lengths)
        number = np.searchsorted(ends, steps, side="right")
        return np.array(self._leg.stages)[number], steps - (ends - lengths)[number]


def _stacked(members: Sequence[dict[str, NDArray[np.generic]]], number: int) -> StackBatch:
    def together(name: str) -> Tensor | None:
        if name not in members[0]:
            return None
        return torch.from_numpy(np.stack([member[name][number] for member in members]))

    tokens = together("tokens")
    if tokens is None:
        message = "a batch without tokens"
        raise ValueError(message)
    return StackBatch(tokens=tokens, answers=together("answers"), segments=together("segments"))
