"""The examination: what every proxy is measured on at the end of a leg."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixopt.catalog.documents import Split
from mixopt.corpus.store import TokenStore
from mixopt.evaluation.heldout import measure_held_out, read_held_out
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.tasks import make_suite, measure_tasks
from mixopt.proxy.backends.backend import Backend
from mixopt.schedule.schedule import StageKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """What every proxy is measured on."""

    split: Split  # `validation` while searching, `test` to confirm
    levels: Mapping[str, int]  # difficulty of each task family; empty for none
    problems: int  # per family
    held_out_sequences: int  # per domain


class Examiner:
    """Held-out text and task problems of a lane, read once."""

    def __init__(self, examination: Examination, store: TokenStore, context: int) -> None:
        """Choose the sequences and problems; they are the same for every proxy."""
        self._held_out = read_held_out(
            store,
            store.inventory.names("text"),
            examination.split,
            sequences=examination.held_out_sequences,
            context=context,
        )
        self._suite = None
        if examination.levels:
            self._suite = make_suite(
                examination.levels,
                examination.split,
                problems=examination.problems,
                tokenizer=store.tokenizer,
            )

    def measure(self, backend: Backend, kind: StageKind, stage: str) -> list[list[Measure]]:
        """Return the measures of every member of a stack after a leg; those that are finite.

        Text is measured after every leg, task problems once a leg has taught how to answer.
        """
        found = measure_held_out(backend, self._held_out, stage)
        if self._suite is not None and kind == "sft":
            answered = measure_tasks(backend, self._suite, stage)
            found = [[*text, *tasks] for text, tasks in zip(found, answered, strict=True)]
        return [[each for each in member if math.isfinite(each.value)] for member in found]
