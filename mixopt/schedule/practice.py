"""Practice: how a stage lets a proxy learn from answers of its own to training problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, PositiveInt, model_validator
from pydantic_core import InitErrorDetails

from mixopt.recipes.decode import Recipe, flaw, refuse
from mixopt.tasks.registry import FAMILIES

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_NotNegative = Annotated[FiniteFloat, Field(ge=0)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def known_levels(levels: dict[str, int]) -> dict[str, int]:
    """Return levels by task family as they are, or raise ValueError for those that do not exist."""
    refuse(_flaws_of_levels(levels))
    return levels


def _flaws_of_levels(levels: Mapping[str, int]) -> Iterator[InitErrorDetails]:
    for name, level in levels.items():
        if name not in FAMILIES:
            near = get_close_matches(name, FAMILIES, n=1)
            expected = f"one of the task families {', '.join(sorted(FAMILIES))}"
            yield flaw((name,), expected, name, nearest=near[0] if near else "")
        elif level not in (found := FAMILIES[name].levels):
            yield flaw((name,), f"a level of '{name}' from {found[0]} to {found[-1]}", level)


Levels = Annotated[dict[str, int], AfterValidator(known_levels)]
"""Difficulty of each task family, by its name."""


class Asking(Recipe):
    """Which training problems a member is asked, and how it answers."""

    levels: Annotated[Levels, Field(min_length=1)]
    problems: PositiveInt = 64  # of all families together; of `grpo` per step
    samples: Annotated[int, Field(ge=2)] = 8  # answers to each
    temperature: _Positive = 1.0

    def __hash__(self) -> int:
        """Hash the content, which has a table in it."""
        return hash(self.model_dump_json())


class Rejection(Asking):
    """Fine-tune on those of a member's answers that the verifier accepts (`sft`)."""

    method: Literal["rejection"]
    problems: PositiveInt = 1024
    samples: Annotated[int, Field(ge=2)] = 4
    keep: PositiveInt = 2  # most answers to one problem, no two of them the same text


class Pivotal(Asking):
    """Prefer the single tokens that decide between right and wrong (`dpo`; Phi-4, section 4.3)."""

    method: Literal["pivotal"]
    problems: PositiveInt = 512
    beta: _Positive = 0.3
    anchor: _NotNegative = 0.0  # weight of the loss of the accepted token itself
    pairs: PositiveInt = 16  # per step
    gap: Annotated[FiniteFloat, Field(gt=0, le=1)] = 0.3  # least change of the chance of success
    low: _Share = 0.2  # least chance of success of a problem
    high: _Share = 0.8  # largest such
    continuations: PositiveInt = 16  # per estimate of a chance of success

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            refuse([flaw(("low",), f"at most high, which is {self.high:g}", self.low)])
        return self


class Judged(Asking):
    """Prefer the best of a member's answers to the worst (`dpo`; Phi-4, section 4.2)."""

    method: Literal["judged"]
    problems: PositiveInt = 1024
    beta: _Positive = 0.3
    anchor: _NotNegative = 0.0  # weight of the loss of the chosen answer itself
    normalized: bool = False  # mean log-probability per token in place of the sum
    label_smoothing: Annotated[FiniteFloat, Field(ge=0, lt=0.5)] = 0.0
    pairs: PositiveInt = 16  # per step
    judge: Annotated[str, Field(min_length=1)] = "verifier"  # or the folder of a reward model
    least_difference: _NotNegative = 0.0  # of the judge's scores


class Reinforcement(Asking):
    """Policy gradients under exact rewards, by groups (`rl`; GRPO)."""

    method: Literal["grpo"]
    problems: PositiveInt = 16  # per step
    clip: _Positive = 0.2
    divergence: _NotNegative = 0.04  # weight of the KL divergence to the stage's start
    scaled: bool = True  # advantages in standard deviations of their group
    process: bool = False  # reward every token by how much it moved the chance of success
    continuations: PositiveInt = 8  # per estimate of that chance


Practice = Annotated[Rejection | Pivotal | Judged | Reinforcement, Field(discriminator="method")]

METHODS_OF: dict[str, tuple[str, ...]] = {
    "lm": (),
    "sft": ("rejection",),
    "dpo": ("pivotal", "judged"),
    "rl": ("grpo",),
}
"""What a stage of each kind may practise."""
