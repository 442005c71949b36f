"""What became of one trained proxy: its measures and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from mixopt.evaluation.measure import Measure
from mixopt.schedule.mixture import Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedNode:
    """A stage that a member went through, perhaps with others that began alike."""

    key: str  # the same for all members that share it
    tokens: int  # trained on in it
    stage: str = ""
    cpu_seconds: float = 0.0  # of the whole node, examination included, whoever shares it


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number that a stage notes of how it went: where its gate opened, pairs found, rewards."""

    stage: str
    name: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenMixture:
    """A mixture that an online policy chose, trained on from one point of its stage to the next."""

    stage: str
    since: float  # share of the stage's steps done, in [0, 1)
    mixture: Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberResult:
    """What became of one member."""

    trial: str  # name of the trial
    seed: int
    measures: tuple[Measure, ...]  # none from the leg on in which it diverged
    diverged_at: int | None  # first step of a leg with a loss that is not finite or beyond bounds
    cpu_seconds: float  # its share of what was spent on the stages it went through
    tokens: int  # scheduled
    path: tuple[TrainedNode, ...] = ()  # stages it went through, as far as it came
    stopped_after: str | None = None  # stage after which it was given up, measures and all
    figures: tuple[Figure, ...] = ()
    chosen: tuple[ChosenMixture, ...] = ()  # by stage, in ascending order

    @property
    def prefix(self) -> str | None:
        """Key of the first stage: members that have it in common have its noise in common."""
        return self.path[0].key if self.path else None
