"""The plan: which sequence stands at (stage, step, row), as a pure function without any state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.catalog.inventory import Inventory
from mixopt.errors import SupplyError
from mixopt.schedule import repetition, simplex
from mixopt.schedule.schedule import Schedule, Stage, StageKind

_MAX_BLOCKS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What one proxy trains on; the target's stages are scaled to it, kind by kind."""

    tokens: Mapping[StageKind, int]
    context_tokens: int
    sequences: int  # rows per step

    def steps(self, kind: StageKind) -> int:
        """Return the optimizer steps of all stages of one kind."""
        return self.tokens[kind] // (self.context_tokens * self.sequences)


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """One stage at proxy scale: its steps, and how many sequences of each domain each block has."""

    stage: Stage
    steps: int
    domains: tuple[str, ...]
    bounds: NDArray[np.int64]  # [blocks + 1] first row of each block, in rows of the stage
    drawn: NDArray[
        np.int64
    ]  # [blocks + 1, M] sequences drawn before each block, earlier stages too


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Rows of a batch: `domains[..., b]` indexes the plan's domains, `sequences` their sample."""

    domains: NDArray[np.int64]
    sequences: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Every row of every step of one proxy, addressed by counter.

    Rows of a block are shuffled by a keyed permutation; the domain of a row follows from integer
    quotas, its rank from the quotas before it, and the sequence from a second keyed permutation
    of the pool, one per epoch. Nothing is drawn with replacement inside an epoch.
    """

    seed: int
    sequences: int  # rows per step
    domains: tuple[str, ...]
    pools: tuple[repetition.Pool, ...]  # by domain
    stages: tuple[StagePlan, ...]

    def draw(self, stage: int, steps: NDArray[np.int64]) -> Draw:
        """Return the rows of some steps of a stage; arrays of shape [steps, B]."""
        rows = steps[:, None] * self.sequences + np.arange(self.sequences)
        domains, ranks = self._places(stage, rows)
        return Draw(domains=domains, sequences=self._sequences(domains, ranks))

    def rates(self, stage: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return multiples of the base learning rate at some steps of a stage; same shape."""
        part = self.stages[stage]
        return part.stage.learning_rate.at((steps + 1) / max(part.steps, 1))

    def epochs(self) -> dict[str, float]:
        """Return how often the proxy sees its pool of each domain."""
        totals = self.stages[-1].drawn[-1]
        counts = zip(self.pools, totals, strict=True)
        return {pool.domain: float(drawn) / pool.num_sequences for pool, drawn in counts}

    def _places(
        self, stage: int, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the domain of each row of a stage, and its rank among all rows of that domain."""
        part = self.stages[stage]
        block = np.searchsorted(part.bounds, rows, side="right") - 1
        blocks, which = np.unique(block, return_inverse=True)
        names = [seeds.derive(self.seed, "rows", part.stage.name, int(each)) for each in blocks]
        sizes = np.diff(part.bounds)[blocks].tolist()
        shuffled = seeds.permute_each(
            rows - part.bounds[block], which.reshape(rows.shape), sizes, names
        )
        ends = np.cumsum(np.diff(part.drawn, axis=0)[blocks], axis=1)  # [blocks here, M]
        ends = ends[which.reshape(rows.shape)]
        domain = (shuffled[..., None] >= ends).sum(axis=-1)
        before = np.where(domain > 0, _pick(ends, np.maximum(domain - 1, 0)), 0)
        return domain, part.drawn[block, domain] + shuffled - before

    def _sequences(self, domains: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sequence in its sample of each rank in its domain."""
        lengths = np.array([pool.num_sequences for pool in self.pools])
        epochs, inside = np.divmod(ranks, lengths[domains])
        passes = epochs * len(self.pools) + domains
        numbers, which = np.unique(passes, return_inverse=True)
        through = [divmod(int(number), len(self.pools)) for number in numbers]
        names = [
            seeds.derive(self.seed, "sequences", self.pools[index].domain, epoch)
            for epoch, index in through
        ]
        sizes = [self.pools[index].num_sequences for _, index in through]
        inside = seeds.permute_each(inside, which.reshape(ranks.shape), sizes, names)
        return repetition.sequences_of(self.pools, domains, inside)


def _pick(values: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the element of the last axis that each index names."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def make_plan(
    schedule: Schedule,
    seed: int,
    inventory: Inventory,
    budget: Budget,
    available: Callable[[str], int],
) -> Plan:
    """Lay out a schedule for one proxy.

    Args:
        schedule: what to train.
        seed: names the order and the pools.
        inventory: what the catalog holds.
        budget: what the proxy trains on.
        available: sequences of a domain in the proxy's corpus.

    Raises:
        SupplyError: a cap is exceeded, a sample is too small, or a stage gets no step.
    """
    check = {name: inventory.domain(name).supply_tokens for name in schedule.dose()}
    repetition.check_supply(schedule, check)
    kinds = {name: stage.kind for stage in schedule.stages for name in stage.dose()}
    pools = tuple(
        repetition.pool(
            inventory,
            name,
            scale=min(1.0, budget.tokens[kind] / schedule.tokens_of(kind)),
            available=available(name),
            seed=seed,
        )
        for name, kind in kinds.items()
    )
    return Plan(
        seed=seed,
        sequences=budget.sequences,
        domains=tuple(kinds),
        pools=pools,
        stages=_stage_plans(schedule, budget, tuple(kinds)),
    )


def _stage_plans(
    schedule: Schedule, budget: Budget, domains: tuple[str, ...]
) -> tuple[StagePlan, ...]:
    drawn = np.zeros(len(domains), np.int64)
    plans = []
    for stage, steps in zip(schedule.stages, _steps(schedule, budget), strict=True):
        blocks = 1 if stage.curve.shape == "constant" else min(_MAX_BLOCKS, steps)
        bounds = np.linspace(0, steps, blocks + 1).round().astype(np.int64) * budget.sequences
        table = _quotas(stage, bounds, domains) + drawn
        drawn = table[-1]
        plans.append(
            StagePlan(stage=stage, steps=steps, domains=domains, bounds=bounds, drawn=table)
        )
    return tuple(plans)


def _quotas(stage: Stage, bounds: NDArray[np.int64], domains: tuple[str, ...]) -> NDArray[np.int64]:
    """Return [blocks + 1, M] sequences drawn before each block of the stage, exact in every block."""
    middle = (bounds[:-1] + bounds[1:]) / 2 / bounds[-1]
    sizes = np.diff(bounds)
    wanted = np.cumsum(stage.curve.weights_at(middle, domains) * sizes[:, None], axis=0)
    table = np.zeros((len(bounds), len(domains)), np.int64)
    for block, size in enumerate(sizes):
        need = np.clip(wanted[block] - table[block], 0.0, None)
        table[block + 1] = table[block] + simplex.apportion(need, int(size))
    return table


def _steps(schedule: Schedule, budget: Budget) -> list[int]:
    """Return the steps of every stage: each kind's budget in proportion to the target's tokens."""
    steps: dict[str, int] = {}
    for kind in dict.fromkeys(stage.kind for stage in schedule.stages):
        stages = [stage for stage in schedule.stages if stage.kind == kind]
        counts = simplex.apportion([stage.tokens for stage in stages], budget.steps(kind))
        steps |= {stage.name: int(count) for stage, count in zip(stages, counts, strict=True)}
    empty = [name for name, count in steps.items() if count == 0]
    if empty:
        message = f"the proxy has no step for stage '{empty[0]}'"
        raise SupplyError(
            message,
            why=f"A step is {budget.context_tokens * budget.sequences:,} tokens; the budget is "
            f"{dict(budget.tokens)} tokens over all stages.",
            remedy="Give the proxy more tokens or the stage a larger share.",
        )
    return [steps[stage.name] for stage in schedule.stages]
