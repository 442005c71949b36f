"""The gated session: a stage trains until a measure of the proxy opens the gate of the stage after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mixopt.catalog.documents import Split
from mixopt.corpus.store import TokenStore
from mixopt.errors import NotFoundError
from mixopt.evaluation.heldout import measure_held_out, read_held_out
from mixopt.evaluation.measure import DIRECTIONS, MEAN, Measure
from mixopt.evaluation.tasks import make_suite, measure_tasks
from mixopt.proxy.backends.backend import Backend
from mixopt.schedule.gate import Gate, GateState, observe
from mixopt.schedule.layout import StageOutcome
from mixopt.training.examiner import Examination
from mixopt.training.feed import Feed
from mixopt.training.sessions.laps import Lap, run_laps
from mixopt.training.sessions.session import Bench, Ending, Pupil
from mixopt.training.sessions.views import Views

Reader = Callable[[Backend], list[float]]
"""Returns one measure of every member of a stack, [K]."""

_SPLIT: Final[Split] = "validation"  # also where results are confirmed: a gate is part of training
_SEQUENCES = 16  # of one domain
_SEQUENCES_OF_EACH = 4  # where all domains are looked at
_MOST_PROBLEMS = 32  # per family
_OF_TEXT = ("bits_per_byte", "long_bits_per_byte")
_SAMPLED = "pass_at_"


class GatedSession:
    """Trains every pupil until its gate opens, each at a check of its own.

    The gate is that of the next stage. It is looked at after the steps that the plan names, on a small
    sample of validation text or problems, and opens at the last of them whatever the measure says.
    """

    def __init__(self, examination: Examination, store: TokenStore) -> None:
        """Keep what gates are measured on; samples are drawn when a gate names them.

        Args:
            examination: says at which level each task family is put.
            store: of the text.
        """
        self._examination, self._store = examination, store
        self._readers: dict[tuple[str, int], Reader] = {}

    def __call__(self, bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
        """See `Session`; every outcome has the step after which the gate opened.

        Raises:
            NotFoundError: a gate names a measure, domain or task family that there is not.
        """
        views, watches = Views(bench), [_Watch(pupil, bench.store) for pupil in pupils]
        readers = {watch.pupil.slot: self._reader(watch) for watch in watches}
        while laps := [watch.lap() for watch in watches if watch.is_shut(bench)]:
            run_laps(bench, laps, pupils)
            due = [watch for watch in watches if watch.is_due(bench)]
            values = _read(views, [watch.pupil for watch in due], readers)
            for watch in due:
                watch.check(values[watch.pupil.slot])
        return [watch.ending(bench) for watch in watches]

    def _reader(self, watch: _Watch) -> Reader:
        key = watch.gate.measure, watch.pupil.part.context
        if key not in self._readers:
            self._readers[key] = find_reader(*key, self._examination.levels, self._store)
        return self._readers[key]


@dataclass(slots=True, eq=False)
class _Watch:
    """One pupil on its way to its gate."""

    pupil: Pupil
    store: TokenStore
    state: GateState = field(default_factory=GateState)
    checked: int = 0  # checks so far
    value: float = float("nan")  # of the measure, at the last of them
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Feed(self.pupil.plan, self.pupil.stage, self.store)

    @property
    def gate(self) -> Gate:
        """The condition."""
        gate = self.pupil.plan.stages[self.pupil.stage + 1].stage.gate
        assert gate is not None
        return gate

    @property
    def is_open(self) -> bool:
        """Whether the stage is over."""
        return self.state.fired_at is not None or self.checked == len(self.pupil.part.checks)

    def is_shut(self, bench: Bench) -> bool:
        """Return whether there is a check to train to."""
        return not self.is_open and bool(bench.live([self.pupil]))

    def is_due(self, bench: Bench) -> bool:
        """Return whether the pupil is at its next check."""
        return not self.is_open and bench.steps(self.pupil) == self._next

    def lap(self) -> Lap:
        """Return the way to the next check."""
        return Lap(pupil=self.pupil, feed=self.feed, end=self._next)

    def check(self, value: float) -> None:
        """Look at the gate; half a step is forgiven, as checks are after whole steps."""
        progress = (self._next + 0.5) / self._total
        self.state, self.value = observe(self.gate, self.state, progress, value), value
        self.checked += 1

    def ending(self, bench: Bench) -> Ending:
        """Return where the gate opened, as a share of the two stages' steps, and why; if it did."""
        steps, figures = bench.steps(self.pupil), {"last_value": self.value}
        if self.is_open:
            figures["opened_at"] = steps / self._total
            figures["opened_by"] = float(self.state.passed >= self.gate.checks)  # 0: by its latest
        return bench.ending(self.pupil, figures, StageOutcome(steps=steps))

    @property
    def _next(self) -> int:
        return self.pupil.part.checks[self.checked]

    @property
    def _total(self) -> int:
        """Steps of the stage and the next one by their tokens, wherever gates after them open."""
        parts = self.pupil.plan.stages[self.pupil.stage :]
        return sum(part.steps for part in parts) - sum(part.planned for part in parts[2:])


def find_reader(measure: str, context: int, levels: Mapping[str, int], store: TokenStore) -> Reader:
    """Return what reads a gate's measure off the members of a stack.

    Args:
        measure: `bits_per_byte/<domain>`, another measure with a task family, `accuracy/recall`, or
            with one at a level of its own, `accuracy/recall@2`; `mean` for all domains or families.
        context: inputs per sequence of text.
        levels: of the task families that name none.
        store: of the text.

    Raises:
        NotFoundError: there is no such measure, domain or task family.
    """
    name, _, subject = measure.partition("/")
    if name not in DIRECTIONS or not subject:
        message = f"no measure '{measure}' for a gate"
        raise NotFoundError(
            message, remedy=f"name/subject with a name of: {', '.join(DIRECTIONS)}."
        )
    if name in _OF_TEXT:
        return _text_reader(name, subject, context, store)
    return _task_reader(name, subject, levels, store)


def _text_reader(name: str, subject: str, context: int, store: TokenStore) -> Reader:
    is_mean = subject == MEAN
    domains = store.inventory.names("text") if is_mean else [subject]
    sequences = _SEQUENCES_OF_EACH if is_mean else _SEQUENCES
    held_out = read_held_out(store, domains, _SPLIT, sequences=sequences, context=context)
    if not held_out.domains:
        message = f"a gate on '{name}/{subject}' has no text to be measured on"
        raise NotFoundError(message, why=f"No domain has {context} tokens of {_SPLIT} text.")

    def read(backend: Backend) -> list[float]:
        found = measure_held_out(backend, held_out, "", [name])
        return [_value(member, name, subject) for member in found]

    return read


def _task_reader(name: str, subject: str, levels: Mapping[str, int], store: TokenStore) -> Reader:
    family, _, level = subject.partition("@")
    asked = dict(levels) if subject == MEAN else {family: int(level or levels.get(family, 0))}
    if not asked or not all(asked.values()):
        message = f"a gate on '{name}/{subject}' does not say at which level"
        known = ", ".join(f"{each}@{levels[each]}" for each in levels) or "none"
        raise NotFoundError(
            message,
            why=f"Levels of the examination: {known}.",
            remedy=f"Name a level, as in '{name}/recall@2', or add one to the examination.",
        )
    suite = make_suite(asked, _SPLIT, problems=_MOST_PROBLEMS, tokenizer=store.tokenizer)
    samples = int(name.removeprefix(_SAMPLED)) if name.startswith(_SAMPLED) else 0

    def read(backend: Backend) -> list[float]:
        found = measure_tasks(backend, suite, "", samples)
        return [_value(member, name, family) for member in found]

    return read


def _read(views: Views, pupils: Sequence[Pupil], readers: Mapping[int, Reader]) -> dict[int, float]:
    """Return the measure of each pupil's gate, by slot."""
    found: dict[int, float] = {}
    for reader in dict.fromkeys(readers[pupil.slot] for pupil in pupils):
        for view in views([pupil for pupil in pupils if readers[pupil.slot] is reader]):
            values = reader(view.backend)
            for pupil, row in zip(view.pupils, view.rows, strict=True):
                found[pupil.slot] = values[row]
    return found


def _value(found: Sequence[Measure], name: str, subject: str) -> float:
    return next(each.value for each in found if each.name == name and each.subject == subject)
