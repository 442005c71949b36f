"""The study recipe: a schedule recipe with a `[study]` table that says how to search it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails

from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.recipes.decode import Recipe, flaw, refuse
from mixopt.schedule.open import one_of
from mixopt.schedule.practice import Levels
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.tasks.registry import find_family

SamplerName = Literal["law", "thompson", "tpe", "gp", "cmaes", "nsga2", "sobol", "random"]

_OF_TEXT = ("bits_per_byte", "long_bits_per_byte")
_PASS = "pass_at_"


CountOrAuto = Annotated[
    Annotated[PositiveInt, Tag("<number>")] | Annotated[Literal["auto"], Tag("<text>")],
    one_of("a whole number of at least 1, or 'auto'"),
]
PenaltyOrAuto = Annotated[
    Annotated[NonNegativeFloat, Tag("<number>")] | Annotated[Literal["auto"], Tag("<text>")],
    one_of("a number of at least 0, or 'auto'"),
]


def _measure(key: str) -> str:
    direction_of(key)
    return key


MeasureKey = Annotated[str, AfterValidator(_measure)]


class ExaminationRecipe(Recipe):
    """What every proxy is measured on."""

    levels: Levels = Field(default_factory=dict)
    problems: PositiveInt = 48  # per task family
    held_out_sequences: PositiveInt = 48  # per domain
    samples: NonNegativeInt = 0  # answers to each problem that pass@k is estimated from; 0 for none
    more_levels: bool = False  # examine the levels below and above each family's, too

    def subjects(self) -> Iterator[str]:
        """Yield all that a measure of tasks may be of."""
        if self.levels:
            yield MEAN
        yield from self.levels
        for name, level in self.levels.items() if self.more_levels else ():
            around = (level - 1, level + 1)
            yield from (f"{name}@{n}" for n in around if n in find_family(name).levels)


class StatesRecipe(Recipe):
    """What a study keeps of its proxies while it runs, in its folder."""

    gigabytes: NonNegativeFloat = 4.0  # of stages that later trials can begin with
    seconds: NonNegativeFloat = 60.0  # between checkpoints, which a killed study goes on from


class RungRecipe(Recipe):
    """A proxy of another size or length that part of a study is trained with."""

    proxy: str
    trials: PositiveInt
    seeds: PositiveInt = 1  # per trial
    tokens: Annotated[FiniteFloat, Field(gt=0)] = 1.0  # multiple of the proxy's own tokens
    context: Annotated[int, Field(ge=2)] | None = None  # per sequence; None for the proxy's own


class StoppingRecipe(Recipe):
    """Which trials of the search are not trained to their end; see `pruning.find_rule`."""

    after: str  # stage after which they may be stopped
    keep: Annotated[FiniteFloat, Field(gt=0, lt=1)] = 0.5  # share that goes on
    least_correlation: Annotated[FiniteFloat, Field(gt=0, lt=1)] = 0.7  # with the end, surely


class StudySettings(Recipe):
    """How a space is searched and its winner confirmed."""

    objective: MeasureKey  # `stage/measure/subject`
    also: tuple[MeasureKey, ...] = ()  # measures whose own best schedule is confirmed beside it
    guardrails: tuple[MeasureKey, ...] = ()  # measures that must not get worse than at natural
    proxy: str = "nano"
    trials: PositiveInt = 32  # baselines included
    design: CountOrAuto = 16  # trials before the sampler takes over
    design_kind: Literal["dense", "sparse"] = "dense"  # whether its mixtures have all domains
    batch: PositiveInt = 8  # trials asked for at once
    seeds: PositiveInt = 2  # per trial
    confirm_seeds: Annotated[int, Field(ge=2)] = 6  # fresh ones, per confirmed schedule
    sampler: SamplerName = "law"
    least_gain: NonNegativeFloat = 0.0  # of the next batch, in units of the objective; else it ends
    warm: tuple[str, ...] = ()  # folders of earlier studies whose trials inform the laws
    penalty: PenaltyOrAuto = 0.05  # on the divergence from the prior
    share: PositiveInt = 1  # trials in a row of the design that have their first stages in common
    lane: CountOrAuto = "auto"  # members trained at once, at most
    states: StatesRecipe = StatesRecipe()
    seed: Annotated[int, Field(ge=0, lt=10**6)] = 0
    examination: ExaminationRecipe = ExaminationRecipe()
    scout: tuple[RungRecipe, ...] = ()  # smaller or shorter proxies, trained before the search
    scale: tuple[RungRecipe, ...] = ()  # larger ones, trained after it

    stopping: StoppingRecipe | None = None  # None to train every trial to its end

    def places(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """Yield every measure that the study goes by, with its place in the table."""
        yield ("objective",), self.objective
        yield from ((("also", number), key) for number, key in enumerate(self.also))
        yield from ((("guardrails", number), key) for number, key in enumerate(self.guardrails))


class StudyRecipe(ScheduleRecipe):
    """A space and how to search it."""

    study: StudySettings

    @model_validator(mode="after")
    def _measures_are_taken(self, info: ValidationInfo) -> Self:
        """A misspelt objective would only be noticed once all proxies are trained."""
        schemas = (info.context or {}).get("schemas", {})
        texts = [name for name, schema in schemas.items() if schema == "text"]
        flaws = self._flaws_of_measures([MEAN, *texts] if texts else [])
        refuse((*flaws, *self._flaws_of_stopping()))
        return self

    def _flaws_of_stopping(self) -> Iterator[InitErrorDetails]:
        """Yield a stage to stop after that is not before the objective's."""
        names = [stage.name for stage in self.stage]
        last, wanted = self.study.objective.split("/")[0], self.study.stopping
        before = names[: names.index(last)] if last in names else names
        if wanted is not None and wanted.after not in before:
            expected = f"a stage before the objective's: {', '.join(before) or '(there is none)'}"
            near = "".join(_near(wanted.after, before))
            yield flaw(("study", "stopping", "after"), expected, wanted.after, nearest=near)

    def _flaws_of_measures(self, texts: list[str]) -> Iterator[InitErrorDetails]:
        """Yield measures that are never taken; any text will do where none is known."""
        names = [stage.name for stage in self.stage]
        kinds = [stage.kind for stage in self.stage]
        answering = names[kinds.index("sft") :] if "sft" in kinds else []
        for place, key in self.study.places():
            stage_name, name, subject = key.split("/")
            known = names if name in _OF_TEXT else answering
            expected, near = "", ""
            if stage_name not in known:
                expected = (
                    f"a measure after one of the stages {', '.join(known) or '(none is sft)'}"
                )
                near = "".join(f"{n}/{name}/{subject}" for n in _near(stage_name, known))
            elif name == _OF_TEXT[1] and not self._is_long():
                expected = "an lm stage whose context_tokens are more than the target's"
            elif name not in _OF_TEXT:
                expected = self._lack_of_task_measure(key, name, subject)
            elif texts and subject not in texts:
                expected = f"'{MEAN}' or one of the text domains {', '.join(texts[1:])}"
                near = "".join(f"{stage_name}/{name}/{n}" for n in _near(subject, texts))
            if expected:
                yield flaw(("study", *place), expected, key, nearest=near)

    def _is_long(self) -> bool:
        """Return whether a stage has longer sequences than the target begins with."""
        short = self.target.context_tokens
        return any(
            (stage.context_tokens or 0) > short for stage in self.stage if stage.kind == "lm"
        )

    def _lack_of_task_measure(self, key: str, name: str, subject: str) -> str:
        """Return what the examination would need for a measure of tasks; nothing if it has it."""
        wanted = self.study.examination
        if subject not in wanted.subjects():
            return f"a family of [study.examination.levels] or '{MEAN}'"
        if name.startswith(_PASS) and int(name.removeprefix(_PASS)) > wanted.samples:
            return f"as many [study.examination] samples as '{key}' needs, got {wanted.samples}"
        return ""


def _near(name: str, known: list[str]) -> list[str]:
    return get_close_matches(name, known, n=1)
