"""A schedule: stages in order, as the target run would train them; the thing searched and exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mixopt.errors import NotFoundError
from mixopt.recipes.digest import digest
from mixopt.schedule.curve import MixtureCurve
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.practice import Practice
from mixopt.schedule.rate import RateShape

StageKind = Literal["lm", "sft", "dpo", "rl"]

Packing = Literal["stream", "whole"]
"""`stream`: documents end to end, cut wherever a sequence ends. `whole`: no document is cut that fits
into a sequence (Ding et al. 2024, "Fewer truncations improve language modeling")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordering:
    """The order of sequences inside a stage, domain by domain."""

    score: str  # `length`, `compressibility`, or a column of scores in the catalog
    strength: float  # 1 sorts, least score first; -1 greatest first; 0 shuffles


@dataclass(frozen=True, kw_only=True, slots=True)
class Online:
    """A rule that sets the mixture of a stage while it trains; the curve is its prior."""

    policy: str  # a key of `training.online.table.POLICIES`
    updates: int = 32  # mixtures over the stage, equally long


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One contiguous part of training."""

    name: str
    kind: StageKind
    tokens: int  # trained on in this stage of the target run
    curve: MixtureCurve
    context_tokens: int  # sequence length at the target
    learning_rate: RateShape  # multiples of the base rate
    packing: Packing = "stream"
    ordering: Ordering | None = None  # None to shuffle
    rope_base: float | None = None  # of the target, from here on; None to leave it as it is
    gate: Gate | None = None
    """When it takes over from the stage before; the two together have their tokens all the same.
    Progress in the gate is the share of these tokens that are done."""
    online: Online | None = None
    practice: Practice | None = None  # of `dpo` and `rl`, and of `sft` by rejection sampling

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
    dpo_learning_rate: float = 1e-6
    rl_learning_rate: float = 1e-6
    rope_base: float = 10_000.0  # of the first stage


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
