"""The plan: which sequence stands at (stage, step, row), as a pure function without any state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.catalog.inventory import Inventory
from mixopt.schedule import repetition
from mixopt.schedule.layout import Budget, Source, StageOutcome, StagePlan, lay_out
from mixopt.schedule.ordering import rearrange
from mixopt.schedule.schedule import Schedule

Available = Callable[[Source], int]
"""Returns how many sequences of a source the proxy's corpus has."""

Scores = Callable[[Source, str], NDArray[np.float64]]
"""Returns a score of every sequence of a source, [available], by the score's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Rows of a batch: `sources[..., b]` indexes the plan's sources, `sequences` their sample."""

    sources: NDArray[np.int64]
    sequences: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """Every row of every step of one proxy, addressed by counter.

    Rows of a block are shuffled by a keyed permutation; the source of a row follows from integer
    quotas, its rank from the quotas before it, and the sequence from a second keyed permutation
    of the pool, one per epoch. Nothing is drawn with replacement inside an epoch. An ordered stage
    takes the sequences that it draws from an epoch anyway in another order.
    """

    seed: int
    sources: tuple[Source, ...]  # M of them
    pools: tuple[repetition.Pool, ...]  # by source
    stages: tuple[StagePlan, ...]
    scores: Mapping[tuple[int, str], NDArray[np.float64]] = field(default_factory=dict)
    """[available] by source and name, of the sources of ordered stages."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Most epochs of each domain over all stages, which an online policy must keep to."""
    _orders: dict[tuple[int, int], NDArray[np.int64]] = field(
        init=False, repr=False, default_factory=dict
    )

    def draw(self, stage: int, steps: NDArray[np.int64]) -> Draw:
        """Return the rows of some steps of a stage; arrays of shape [steps, B]."""
        count = self.stages[stage].sequences
        rows = steps[:, None] * count + np.arange(count)
        sources, ranks = self._places(stage, rows)
        if self.stages[stage].stage.ordering is not None:
            ranks = self._ordered(stage, sources, ranks)
        return Draw(sources=sources, sequences=self._sequences(sources, ranks))

    def rates(self, stage: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return multiples of the base learning rate at some steps of a stage; same shape."""
        part = self.stages[stage]
        return part.stage.learning_rate.at((steps + 1) / max(part.span, 1))

    def epochs(self) -> dict[str, float]:
        """Return how often the proxy sees its pools of each domain."""
        seen: dict[str, float] = {}
        for source, pool, drawn in zip(
            self.sources, self.pools, self.stages[-1].drawn[-1], strict=True
        ):
            seen[source.domain] = seen.get(source.domain, 0.0) + drawn / pool.num_sequences
        return seen

    def resolve(self, outcomes: Mapping[int, StageOutcome]) -> Plan:
        """Return the plan after what training has decided: where gates opened, which mixtures ruled.

        Rows before the decision stay as they are.

        Args:
            outcomes: by position of the stage.
        """
        if not outcomes:
            return self
        return replace(self, stages=lay_out(self.stages, self.sources, outcomes))

    def _places(
        self, stage: int, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the source of each row of a stage, and its rank among all rows of that source."""
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
        source = (shuffled[..., None] >= ends).sum(axis=-1)
        before = np.where(source > 0, _pick(ends, np.maximum(source - 1, 0)), 0)
        return source, part.drawn[block, source] + shuffled - before

    def _ordered(
        self, stage: int, sources: NDArray[np.int64], ranks: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return ranks that take what the stage draws of every epoch of a source by its score."""
        found = np.empty_like(ranks)
        for index in np.unique(sources).tolist():
            here = sources == index
            if (stage, index) not in self._orders:  # worked out once, as every step asks for it
                self._orders[stage, index] = self._order(stage, index)
            order = self._orders[stage, index]
            found[here] = order[ranks[here] - self._first(stage, index)]
        return found

    def _first(self, stage: int, index: int) -> int:
        return int(self.stages[stage].drawn[0, index])

    def _order(self, stage: int, index: int) -> NDArray[np.int64]:
        """Return the rank to take at each rank of a stage from its first; epochs stay apart."""
        ordering = self.stages[stage].stage.ordering
        assert ordering is not None
        ranks = np.arange(self._first(stage, index), int(self.stages[stage].drawn[-1, index]))
        sequences = self._sequences(np.full_like(ranks, index), ranks)
        scores = self.scores[index, ordering.score][sequences]
        epochs = ranks // self.pools[index].num_sequences
        parts = []
        for epoch in np.unique(epochs):
            inside = np.flatnonzero(epochs == epoch)
            parts.append(ranks[inside[rearrange(scores[inside], ordering.strength)]])
        return np.concatenate(parts)

    def _sequences(self, sources: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sequence in its sample of each rank in its source."""
        lengths = np.array([pool.num_sequences for pool in self.pools])
        epochs, inside = np.divmod(ranks, lengths[sources])
        passes = epochs * len(self.pools) + sources
        numbers, which = np.unique(passes, return_inverse=True)
        through = [divmod(int(number), len(self.pools)) for number in numbers]
        names = [
            seeds.derive(self.seed, "sequences", self.pools[index].domain, epoch)
            for epoch, index in through
        ]
        sizes = [self.pools[index].num_sequences for _, index in through]
        inside = seeds.permute_each(inside, which.reshape(ranks.shape), sizes, names)
        return repetition.sequences_of(self.pools, sources, inside)


def _pick(values: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the element of the last axis that each index names."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def make_plan(
    schedule: Schedule,
    seed: int,
    inventory: Inventory,
    budget: Budget,
    available: Available,
    scores: Scores | None = None,
) -> Plan:
    """Lay out a schedule for one proxy.

    Args:
        schedule: what to train.
        seed: names the order and the pools.
        inventory: what the catalog holds.
        budget: what the proxy trains on.
        available: counts the sequences of a source in the proxy's corpus.
        scores: looks up the scores that ordered stages name; None where there is none such.

    Raises:
        SupplyError: a cap is exceeded, a sample is too small, a stage gets no step, or its
            context does not fit into a step.
        NotFoundError: a score does not exist.
    """
    check = {name: inventory.domain(name).supply_tokens for name in schedule.dose()}
    repetition.check_supply(schedule, check)
    stages = budget.stages(schedule)
    scales = {
        Source(domain=name, context=part.context, packing=part.stage.packing): min(
            1.0, budget.tokens[part.stage.kind] / schedule.tokens_of(part.stage.kind)
        )
        for part in stages
        for name in part.stage.dose()
    }
    sources = tuple(scales)
    pools = tuple(
        repetition.pool(
            inventory, source.domain, scale=scale, available=available(source), seed=seed
        )
        for source, scale in scales.items()
    )
    return Plan(
        seed=seed,
        sources=sources,
        pools=pools,
        stages=lay_out(stages, sources, {}),
        scores=_read_scores(stages, sources, scores),
        limits={source.domain: schedule.cap_of(source.domain) for source in sources},
    )


def _read_scores(
    stages: Sequence[StagePlan], sources: Sequence[Source], scores: Scores | None
) -> dict[tuple[int, str], NDArray[np.float64]]:
    found = {}
    for part in stages:
        ordering = part.stage.ordering
        for index, source in enumerate(sources):
            mine = source.context == part.context and source.packing == part.stage.packing
            if ordering is not None and mine and source.domain in part.stage.dose():
                assert scores is not None
                found[index, ordering.score] = scores(source, ordering.score)
    return found
