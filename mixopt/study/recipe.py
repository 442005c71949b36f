"""The study recipe: a schedule recipe with a `[study]` table that says how to search it."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveInt, model_validator

from mixopt.errors import NotFoundError
from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.recipes.decode import Recipe
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import StageKind
from mixopt.tasks.registry import find_family

SamplerName = Literal["law", "sobol", "random", "tpe"]


def _measure(key: str) -> str:
    direction_of(key)
    return key


def _levels(levels: dict[str, int]) -> dict[str, int]:
    for name, level in levels.items():
        try:
            family = find_family(name)
        except NotFoundError as error:
            raise ValueError(str(error)) from None
        if level not in family.levels:
            message = f"a level of '{name}' from {family.levels[0]} to {family.levels[-1]}"
            raise ValueError(message)
    return levels


MeasureKey = Annotated[str, AfterValidator(_measure)]


class ExaminationRecipe(Recipe):
    """What every proxy is measured on."""

    levels: Annotated[dict[str, int], AfterValidator(_levels)] = Field(default_factory=dict)
    problems: PositiveInt = 48  # per task family
    held_out_sequences: PositiveInt = 48  # per domain


class StatesRecipe(Recipe):
    """What a study keeps of its proxies while it runs, in its folder."""

    gigabytes: NonNegativeFloat = 4.0  # of stages that later trials can begin with
    seconds: NonNegativeFloat = 60.0  # between checkpoints, which a killed study goes on from


class StudySettings(Recipe):
    """How a space is searched and its winner confirmed."""

    objective: MeasureKey  # `stage/measure/subject`
    also: tuple[MeasureKey, ...] = ()  # measures whose own best schedule is confirmed beside it
    guardrails: tuple[MeasureKey, ...] = ()  # measures that must not get worse than at natural
    proxy: str = "nano"
    trials: PositiveInt = 32  # baselines included
    design: PositiveInt = 16  # space-filling trials before the sampler takes over
    batch: PositiveInt = 8  # trials asked for at once
    seeds: PositiveInt = 2  # per trial
    confirm_seeds: Annotated[int, Field(ge=2)] = 6  # fresh ones, per confirmed schedule
    sampler: SamplerName = "law"
    penalty: NonNegativeFloat = 0.05  # on the divergence of a proposal from the prior
    share: PositiveInt = 1  # trials in a row of the design that have their first stages in common
    lane: PositiveInt | Literal["auto"] = "auto"  # members trained at once, at most
    states: StatesRecipe = StatesRecipe()
    seed: Annotated[int, Field(ge=0, lt=10**6)] = 0
    examination: ExaminationRecipe = ExaminationRecipe()


class StudyRecipe(ScheduleRecipe):
    """A space and how to search it."""

    study: StudySettings

    @model_validator(mode="after")
    def _measures_are_taken(self) -> Self:
        """A misspelt objective would only be noticed once all proxies are trained."""
        levels = self.study.examination.levels
        taken: dict[str, StageKind] = {}  # text is measured after every run of stages of one kind
        for stage, after in zip_longest(self.stage, self.stage[1:]):
            if after is None or after.kind != stage.kind:
                taken[stage.name] = stage.kind
        for key in (self.study.objective, *self.study.also, *self.study.guardrails):
            stage_name, name, subject = key.split("/")
            on_tasks = name != "bits_per_byte"
            if stage_name not in taken or (on_tasks and taken[stage_name] != "sft"):
                stages = [each for each, kind in taken.items() if kind == "sft" or not on_tasks]
                message = f"a measure after one of the stages {', '.join(stages)}, found '{key}'"
                raise ValueError(message)
            if on_tasks and (not levels or subject not in {MEAN, *levels}):
                message = f"a family of [study.examination.levels] or '{MEAN}', found '{key}'"
                raise ValueError(message)
        return self
