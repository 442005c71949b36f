"""A schedule: stages in order, as the target run would train them; the thing searched and exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mixopt.errors import NotFoundError
from mixopt.recipes.digest import digest
from mixopt.schedule.curve import MixtureCurve
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.rate import RateShape

StageKind = Literal["lm", "sft"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One contiguous part of training."""

    name: str
    kind: StageKind
    tokens: int  # trained on in this stage of the target run
    curve: MixtureCurve
    context_tokens: int  # sequence length at the target
    learning_rate: RateShape  # multiples of the base rate

    def dose(self) -> dict[str, float]:
        """Return tokens of every domain that the stage trains on."""
        return {name: share * self.tokens for name, share in self.curve.mean().as_dict().items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetRun:
    """The full run that the schedule is for."""

    parameters: int
    tokens: int  # of all `lm` stages
    context_tokens: int
    batch_tokens: int  # per optimizer step
    learning_rate: float  # base rate, at multiple 1
    sft_learning_rate: float
    tokenizer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Stages in order, with the caps on repetition that they keep."""

    name: str
    target: TargetRun
    stages: tuple[Stage, ...]
    max_epochs: float  # most epochs of any domain over all stages
    max_epochs_of: tuple[tuple[str, float], ...] = ()  # domains with a cap of their own

    @property
    def digest(self) -> str:
        """The content hash; the name is no part of it."""
        return digest([self.target, self.stages, self.max_epochs, self.max_epochs_of])

    def stage(self, name: str) -> Stage:
        """Return the stage of that name.

        Raises:
            NotFoundError: no stage has it.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = ", ".join(stage.name for stage in self.stages)
        message = f"no stage '{name}' in schedule '{self.name}'"
        raise NotFoundError(message, why=f"Stages: {names}.")

    def tokens_of(self, kind: StageKind) -> int:
        """Return the tokens of all stages of one kind."""
        return sum(stage.tokens for stage in self.stages if stage.kind == kind)

    def dose(self, kind: StageKind | None = None) -> dict[str, float]:
        """Return tokens of every domain over all stages, or over those of one kind."""
        total: dict[str, float] = {}
        for stage in self.stages:
            if kind is None or stage.kind == kind:
                for name, tokens in stage.dose().items():
                    total[name] = total.get(name, 0.0) + tokens
        return total

    def mean_mixture(self, kind: StageKind = "lm") -> Mixture:
        """Return the mixture of all tokens of the stages of one kind."""
        return mixture_of(self.dose(kind))

    def cap_of(self, domain: str) -> float:
        """Return the most epochs that a domain may be seen."""
        return dict(self.max_epochs_of).get(domain, self.max_epochs)

    def epochs(self, supply: Mapping[str, int]) -> dict[str, float]:
        """Return epochs per domain: weight x stage tokens / supply, summed over stages."""
        return {
            name: tokens / supply[name] if supply[name] else math.inf
            for name, tokens in self.dose().items()
        }
