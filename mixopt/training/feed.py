"""The feed: the rows of one stage of one plan, read in blocks from the shared token store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixopt.corpus.store import Batch as Rows
from mixopt.corpus.store import TokenStore
from mixopt.schedule.plan import Draw, Plan

_PARTS = ("tokens", "answers", "segments")
_ROWS_DRAWN = 1 << 14
"""Rows whose numbers are found together: keyed permutations cost nearly the same for one as for many."""
_TOKENS_READ = 1 << 17
"""Tokens that are read together, and held in memory for every slot."""


class Feed:
    """Rows and learning rates of one stage of one plan; a lane has one for every slot."""

    def __init__(self, plan: Plan, stage: int, store: TokenStore) -> None:
        """Prepare to read; nothing is read before the first step."""
        part = plan.stages[stage]
        self.steps = part.steps
        self.rates: NDArray[np.float64] = plan.rates(stage, np.arange(self.steps))
        """Multiples of the base learning rate, [steps]."""
        self._plan, self._stage = plan, stage
        self._store, self._context, self._sequences = store, part.context, part.sequences
        self._drawn, self._read = range(0), range(0)  # steps that are held
        self._numbers: Draw | None = None
        self._arrays: dict[str, NDArray[Any]] = {}  # [steps, B, T+1]

    def rows(self, step: int) -> Rows:
        """Return the rows [B, T+1] of a step; cheapest when steps are asked for in order."""
        if step not in self._read:
            self._read = self._block(step, _TOKENS_READ // self._context)
            self._arrays = self._gather(self._draw(self._read))
        inside = step - self._read.start
        return Rows(**{name: part[inside] for name, part in self._arrays.items()})

    def _block(self, step: int, rows: int) -> range:
        """Return the steps, about so many rows long, among which a step is."""
        length = max(1, rows // self._sequences)
        first = step - step % length
        return range(first, min(first + length, self.steps))

    def _draw(self, steps: range) -> Draw:
        """Return which rows stand at some steps; [steps, B]."""
        held = self._numbers
        if held is None or steps[0] not in self._drawn or steps[-1] not in self._drawn:
            self._drawn = self._block(steps[0], _ROWS_DRAWN)
            self._drawn = range(self._drawn.start, max(self._drawn.stop, steps.stop))
            held = self._numbers = self._plan.draw(self._stage, np.array(self._drawn))
        part = slice(steps.start - self._drawn.start, steps.stop - self._drawn.start)
        return Draw(sources=held.sources[part], sequences=held.sequences[part])

    def _gather(self, draw: Draw) -> dict[str, NDArray[Any]]:
        """Read the rows of a draw, source by source."""
        sources, sequences = draw.sources.ravel(), draw.sequences.ravel()
        order = np.argsort(sources, kind="stable")
        ends = np.cumsum(np.bincount(sources))
        arrays: dict[str, NDArray[Any]] = {}
        for index in np.unique(sources).tolist():
            here = order[ends[index - 1] if index else 0 : ends[index]]
            source = self._plan.sources[index]
            tokens = self._store.domain(source.domain, "train")
            rows = tokens.gather(sequences[here], source.context, source.packing)
            for name in _PARTS:
                part = getattr(rows, name)
                if part is not None:
                    if name not in arrays:
                        arrays[name] = np.zeros((sources.size, self._context + 1), part.dtype)
                    arrays[name][here] = part
        shape = (*draw.sources.shape, self._context + 1)
        return {name: part.reshape(shape) for name, part in arrays.items()}


def stack_rows(rows: Sequence[Rows | None]) -> Rows:
    """Return the rows of all slots as arrays [K, B, T+1]; None is an idle slot and gets zeros.

    Raises:
        ValueError: all slots are idle.
    """
    some = next((each for each in rows if each is not None), None)
    if some is None:
        message = "a batch without rows"
        raise ValueError(message)
    parts: dict[str, Any] = {}
    for name in _PARTS:
        like = getattr(some, name)
        if like is not None:
            idle = np.zeros_like(like)
            parts[name] = np.stack([idle if each is None else getattr(each, name) for each in rows])
    return Rows(**parts)
