"""The examination: what every proxy is measured on after its stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixopt.catalog.documents import Split
from mixopt.corpus.store import TokenStore
from mixopt.evaluation.heldout import HeldOut, measure_held_out, read_held_out, sequences_at
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.tasks import make_level_suite, make_suite, measure_tasks
from mixopt.proxy.backends.backend import Backend


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """What every proxy is measured on."""

    split: Split  # `validation` while searching, `test` to confirm
    levels: Mapping[str, int]  # difficulty of each task family; empty for none
    problems: int  # per family
    held_out_sequences: int  # per domain, at the proxy's own context
    samples: int = 0  # answers to each problem that pass@k is estimated from; 0 for none
    more_levels: bool = False  # whether also the levels below and above each family's are tried


class Examiner:
    """Held-out text and task problems of a lane, read once."""

    def __init__(self, examination: Examination, store: TokenStore, context: int) -> None:
        """Choose the problems; they and the sequences are the same for every proxy.

        Args:
            examination: what to measure.
            store: the corpus.
            context: the proxy's own, which bits per byte are measured at after every stage.
        """
        self._examination, self._store, self._context = examination, store, context
        self._held_out: dict[int, HeldOut] = {}  # by context
        self._suite = self._levels_around = None
        if examination.levels:
            levels, split = examination.levels, examination.split
            counts = {"problems": examination.problems}
            self._suite = make_suite(levels, split, **counts, tokenizer=store.tokenizer)
            if examination.more_levels:
                self._levels_around = make_level_suite(
                    levels, split, **counts, tokenizer=store.tokenizer
                )

    def measure(
        self, backend: Backend, *, answers: bool, context: int, stage: str
    ) -> list[list[Measure]]:
        """Return the measures of every member of a stack after a stage; those that are finite.

        Args:
            backend: runs the members, at the rotary base that their stack has now.
            answers: whether to put task problems too, as to members that were taught to answer.
            context: inputs per sequence of the longest stage; `long_bits_per_byte` is taken at it where
                it is longer than the proxy's own.
            stage: after which it is.
        """
        found = self._measure_text(backend, context, stage)
        if answers and self._suite is not None:
            samples = self._examination.samples
            _extend(found, measure_tasks(backend, self._suite, stage, samples))
        if answers and self._levels_around is not None:
            _extend(found, measure_tasks(backend, self._levels_around, stage))
        return [[each for each in member if math.isfinite(each.value)] for member in found]

    def _measure_text(self, backend: Backend, context: int, stage: str) -> list[list[Measure]]:
        found = measure_held_out(backend, self._read(self._context), stage, ("bits_per_byte",))
        if context > self._context:
            long = measure_held_out(backend, self._read(context), stage, ("long_bits_per_byte",))
            _extend(found, long)
        return found

    def _read(self, context: int) -> HeldOut:
        """Return the sequences of a context: about as many tokens whatever their length."""
        if context not in self._held_out:
            sequences = self._examination.held_out_sequences
            self._held_out[context] = read_held_out(
                self._store,
                self._store.inventory.names("text"),
                self._examination.split,
                sequences=sequences_at(sequences, self._context, context),
                context=context,
            )
        return self._held_out[context]


def _extend(found: list[list[Measure]], more: list[list[Measure]]) -> None:
    for member, measures in zip(found, more, strict=True):
        member.extend(measures)
