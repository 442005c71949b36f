"""A session: the members of a lane go through one stage together, each by what it does itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mixopt.corpus.store import TokenStore
from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.layout import StageOutcome, StagePlan
from mixopt.schedule.plan import Plan
from mixopt.schedule.schedule import StageKind
from mixopt.training.slots import Slots


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pupil:
    """A member in a session."""

    slot: int
    seed: int
    plan: Plan  # resolved by what training has decided before the stage
    stage: int  # position in the plan

    @property
    def part(self) -> StagePlan:
        """The stage at proxy scale."""
        return self.plan.stages[self.stage]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What became of a pupil."""

    steps: int  # done
    diverged: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)  # what to note, by name
    outcome: StageOutcome | None = None  # what was decided, where the plan leaves it open


class Session(Protocol):
    """Trains pupils through their stage; pupil k ends as it would alone."""

    def __call__(self, bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
        """Return what became of every pupil, in their order; slots hold their parameters."""


def _unheard(_slot: int) -> None:
    """Tell nobody."""


@dataclass(kw_only=True, slots=True, eq=False)
class Bench:
    """What a session works with: slots, text, and who counts the steps."""

    slots: Slots
    store: TokenStore
    proxy: ProxyRecipe
    progress: Callable[[int], None] = _unheard  # called with a slot after each of its steps
    leg_steps: Mapping[int, int] = field(default_factory=dict)  # of the leg before, by slot
    _steps: dict[int, int] = field(default_factory=dict)
    _lost: set[int] = field(default_factory=set)

    @property
    def backend(self) -> Backend:
        """Runs the members at their present parameters."""
        return self.slots.backend

    def reference(self) -> Backend:
        """Return a backend of a copy of all members as they are now, which is not trained."""
        return self.slots.copy_backend()

    def steps(self, pupil: Pupil) -> int:
        """Return the steps that a pupil has done."""
        return self._steps.get(pupil.slot, 0)

    def live(self, pupils: Sequence[Pupil]) -> list[Pupil]:
        """Return the pupils that have steps left and have not diverged."""
        return [
            pupil
            for pupil in pupils
            if pupil.slot not in self._lost and self.steps(pupil) < pupil.part.steps
        ]

    def learn(self, batch: Batch, pupils: Sequence[Pupil]) -> None:
        """Take one optimizer step with live pupils, each at its own learning rate.

        A pupil with a loss or gradient that is not finite is lost, and is no longer live; so is one
        that trains on text and is far worse than guessing. Practice has no such bound.

        Args:
            batch: rows of all K slots; those of slots at rest count for nothing.
            pupils: live ones, which have rows in the batch.
        """
        if not pupils:
            return
        losses = self.slots.train(batch, [pupil.slot for pupil in pupils])
        norms = self.slots.update({pupil.slot: self._rate(pupil) for pupil in pupils})
        for pupil in pupils:
            if self._is_lost(pupil, losses[pupil.slot], norms[pupil.slot]):
                self._lost.add(pupil.slot)
            else:
                self._steps[pupil.slot] = self.steps(pupil) + 1
                self.progress(pupil.slot)

    def rest(self, pupils: Sequence[Pupil]) -> None:
        """Count one step of live pupils that have nothing to learn from in it."""
        for pupil in pupils:
            self._steps[pupil.slot] = self.steps(pupil) + 1
            self.progress(pupil.slot)

    def ending(
        self,
        pupil: Pupil,
        figures: Mapping[str, float] | None = None,
        outcome: StageOutcome | None = None,
    ) -> Ending:
        """Return what became of a pupil."""
        return Ending(
            steps=self.steps(pupil),
            diverged=pupil.slot in self._lost,
            figures=dict(figures or {}),
            outcome=outcome,
        )

    def _is_lost(self, pupil: Pupil, loss: float, norm: float) -> bool:
        if pupil.part.stage.practice is not None:  # whose loss is no mean over tokens
            return not np.isfinite([loss, norm]).all()
        leg_step = self.leg_steps.get(pupil.slot, 0) + self.steps(pupil)
        return self.slots.has_diverged(loss, norm, leg_step)

    def _rate(self, pupil: Pupil) -> float:
        step = np.array([self.steps(pupil)])
        multiple = float(pupil.plan.rates(pupil.stage, step)[0])
        return multiple * base_rate(self.proxy, pupil.part.stage.kind)


def base_rate(proxy: ProxyRecipe, kind: StageKind) -> float:
    """Return the peak learning rate of a proxy's stages of a kind."""
    training = proxy.training
    rates: dict[StageKind, float] = {
        "lm": training.learning_rate,
        "sft": training.sft_learning_rate,
        "dpo": training.dpo_learning_rate,
        "rl": training.rl_learning_rate,
    }
    return rates[kind]
