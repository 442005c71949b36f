"""Practice: how a stage lets a proxy learn from answers of its own to training problems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat, PositiveInt

from mixopt.errors import NotFoundError
from mixopt.recipes.decode import Recipe
from mixopt.tasks.registry import find_family

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_NotNegative = Annotated[FiniteFloat, Field(ge=0)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def known_levels(levels: dict[str, int]) -> dict[str, int]:
    """Return levels by task family as they are, or raise ValueError for one that does not exist."""
    for name, level in levels.items():
        try:
            family = find_family(name)
        except NotFoundError as error:
            raise ValueError(str(error)) from None
        if level not in family.levels:
            message = f"a level of '{name}' from {family.levels[0]} to {family.levels[-1]}"
            raise ValueError(message)
    return levels


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


class Judged(Asking):
    """Prefer the best of a member's answers to the worst (`dpo`; Phi-4, section 4.2)."""

    method: Literal["judged"]
    problems: PositiveInt = 1024
    beta: _Positive = 0.3
    anchor: _NotNegative = 0.0  # weight of the loss of the chosen answer itself
    normalized: bool = False  # mean log-probability per token in place of the sum
    label_smoothing: Annotated[FiniteFloat, Field(ge=0, lt=0.5)] = 0.0
    pairs: PositiveInt = 16  # per step
    judge: str = "verifier"  # or the folder of a reward model
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
