"""What became of one trained proxy: its measures and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from mixopt.evaluation.measure import Measure


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberResult:
    """What became of one member."""

    trial: str  # name of the trial
    seed: int
    measures: tuple[Measure, ...]  # none from the leg on in which it diverged
    diverged_at: int | None  # first step of a leg without a finite loss
    cpu_seconds: float  # of the lane, divided by its members
    tokens: int  # trained on
