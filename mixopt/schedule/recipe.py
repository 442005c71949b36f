"""The schedule recipe: the TOML of `schedules/`, in which any number or mixture may be left open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    FiniteFloat,
    PositiveInt,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from mixopt.catalog.inventory import Inventory
from mixopt.catalog.recipe import Schema
from mixopt.recipes import decode
from mixopt.recipes.decode import Recipe, check_with, refuse
from mixopt.recipes.quantity import Quantity, TokenCount
from mixopt.schedule import checks
from mixopt.schedule.curve import Shape
from mixopt.schedule.rate import Decay
from mixopt.schedule.schedule import StageKind

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def schema_of(kind: StageKind) -> Schema:
    """Return the schema of the domains that a stage of this kind trains on."""
    return checks.SCHEMA_OF[kind]


class Range(Recipe):
    """A number that the search chooses."""

    low: _Positive
    high: _Positive
    log: bool = False  # search on a logarithmic scale

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            message = f"low < high, got {self.low} and {self.high}"
            raise ValueError(message)
        return self


def _form(value: object) -> str:
    if isinstance(value, Mapping | Recipe):
        return "<table>"
    return "<text>" if isinstance(value, str) else "<number>"


def _weights(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    refuse(checks.flaws_of_weights(value, info))
    return value


def _known(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    refuse(checks.flaws_of_names(value, info))
    return value


def _one_of(expected: str) -> Discriminator:
    """Return what tells the forms of a value apart, with the text for one of no form."""
    return Discriminator(_form, custom_error_type="form", custom_error_message=expected)


Number = Annotated[
    Annotated[_Positive, Tag("<number>")] | Annotated[Range, Tag("<table>")],
    _one_of("a number above 0, or a table with `low` and `high`"),
]
Share = Annotated[
    Annotated[_Positive, Tag("<number>"), Field(le=1)]
    | Annotated[Range, Tag("<table>")]
    | Annotated[Literal["rest"], Tag("<text>")],
    _one_of("a share above 0 and at most 1, 'rest', or a table with `low` and `high`"),
]
WeightTable = Annotated[dict[str, FiniteFloat], AfterValidator(_weights)]
MixtureChoice = Annotated[
    Annotated[WeightTable, Tag("<table>")]
    | Annotated[Literal["natural", "uniform", "unimax"], Tag("<text>")],
    _one_of("a table of weights, or one of 'natural', 'uniform' and 'unimax'"),
]


class FreeMixture(Recipe):
    """A mixture that the search chooses: Dirichlet around a prior."""

    prior: MixtureChoice = "natural"
    concentration: _Positive = 8.0  # sum of the Dirichlet parameters; larger stays nearer
    least: _Share = 0.002  # smallest weight of a domain


class MixtureSource(Recipe):
    """Either a given `mixture` or a `free` one."""

    mixture: MixtureChoice | None = None
    free: FreeMixture | None = None


class KnotRecipe(MixtureSource):
    """A mixture at one point of a stage."""

    at: _Share

    @model_validator(mode="wrap")
    @classmethod
    def _one(cls, value: object, handler: ValidatorFunctionWrapHandler) -> Self:
        knot: Self = check_with(handler, value, checks.flaws_of_knot(value))
        return knot


class CurveRecipe(Recipe):
    """A mixture that moves inside the stage."""

    shape: Shape = "linear"
    knots: Annotated[list[KnotRecipe], Field(min_length=2)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        at = [knot.at for knot in self.knots]
        if at != sorted(set(at)) or at[0] != 0 or at[-1] != 1:
            message = f"knots in ascending order from at = 0 to at = 1, got {at}"
            raise ValueError(message)
        if self.shape != "piecewise" and len(at) != 2:
            message = f"two knots for shape '{self.shape}', or shape 'piecewise'; got {len(at)}"
            raise ValueError(message)
        return self


class RateRecipe(Recipe):
    """The learning rate over a stage; see `rate.RateShape`."""

    peak: Number = 1.0
    warmup: _Share = 0.0
    decay: _Share = 0.0
    floor: _Share = 0.0
    shape: Decay = "linear"


class StageRecipe(MixtureSource):
    """One stage: `share` of the target's tokens for `lm`, `tokens` for `sft`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    kind: StageKind
    share: Share | None = None
    tokens: TokenCount | None = None
    context_tokens: PositiveInt | None = None
    curve: CurveRecipe | None = None
    learning_rate: RateRecipe = RateRecipe()

    @model_validator(mode="wrap")
    @classmethod
    def _complete(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Self:
        stage: Self = check_with(handler, value, checks.flaws_of_stage(value, info))
        return stage


class TargetRecipe(Recipe):
    """The full run that the schedule is for."""

    parameters: Quantity
    tokens: TokenCount
    context_tokens: PositiveInt
    batch_tokens: TokenCount
    learning_rate: _Positive
    sft_learning_rate: _Positive = 1e-5
    tokenizer: str = "bytes"


class LimitsRecipe(Recipe):
    """Caps on repetition at the target."""

    max_epochs: _Positive = 4.0
    max_epochs_of: Annotated[dict[str, _Positive], AfterValidator(_known)] = Field(
        default_factory=dict
    )


def _stages(value: object, handler: ValidatorFunctionWrapHandler) -> list[StageRecipe]:
    stages: list[StageRecipe] = check_with(handler, value, checks.flaws_of_stages(value))
    return stages


class ScheduleRecipe(Recipe):
    """A whole recipe of `schedules/`; a space when anything in it is open."""

    name: str
    description: str = ""
    target: TargetRecipe
    limits: LimitsRecipe = LimitsRecipe()
    stage: Annotated[list[StageRecipe], Field(min_length=1), WrapValidator(_stages)]


AnySchedule = TypeVar("AnySchedule", bound=ScheduleRecipe)


def read_schedule(path: Path, inventory: Inventory | None, model: type[AnySchedule]) -> AnySchedule:
    """Read a schedule recipe, checking the names of domains when an inventory is given.

    Raises:
        RecipeError: lists every fault of the file.
        NotFoundError: there is no such file.
    """
    context: dict[str, Any] = {}
    if inventory is not None:
        context["schemas"] = {found.name: found.schema for found in inventory.domains}
    return decode.read(path, model, context=context)
