"""The schedule recipe: the TOML of `schedules/`, in which any number or mixture may be left open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    NonNegativeFloat,
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
from mixopt.schedule import checks, mapping
from mixopt.schedule.curve import Shape
from mixopt.schedule.free import FreeMixture, MixtureChoice
from mixopt.schedule.mapping import DomainTable
from mixopt.schedule.open import (
    AnyNumber,
    Number,
    Part,
    PracticeChoice,
    Range,
    Strength,
    one_of,
)
from mixopt.schedule.rate import Decay
from mixopt.schedule.schedule import Packing, StageKind

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def schema_of(kind: StageKind) -> Schema:
    """Return the schema of the domains that a stage of this kind trains on."""
    return checks.SCHEMA_OF[kind]


def _known(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    refuse(checks.flaws_of_names(value, info))
    return value


Share = Annotated[
    Annotated[_Positive, Tag("<number>"), Field(le=1)]
    | Annotated[Range, Tag("<table>")]
    | Annotated[Literal["rest"], Tag("<text>")],
    one_of("a share above 0 and at most 1, 'rest', or a table with `low` and `high`"),
]


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


class OnlineRecipe(Recipe):
    """A mixture that a rule sets while the stage trains."""

    online: checks.PolicyName
    updates: PositiveInt = 32  # mixtures over the stage, equally long
    prior: MixtureChoice = "natural"

    @property
    def shape(self) -> Shape:
        """The shape of the prior's curve."""
        return "constant"

    @property
    def knots(self) -> list[KnotRecipe]:
        """The prior as the one knot of a curve."""
        return [KnotRecipe(at=0.0, mixture=self.prior)]


def _form_of_curve(value: object) -> str:
    if isinstance(value, Mapping):
        return "<online>" if "online" in value else "<curve>"
    return "<online>" if isinstance(value, OnlineRecipe) else "<curve>"


CurveChoice = Annotated[
    Annotated[CurveRecipe, Tag("<curve>")] | Annotated[OnlineRecipe, Tag("<online>")],
    Discriminator(_form_of_curve),
]


class OrderingRecipe(Recipe):
    """The order of sequences inside a stage; see `schedule.Ordering`."""

    score: str
    strength: Strength


class GateRecipe(Recipe):
    """When the stage takes over from the one before; see `gate.Gate`."""

    measure: str  # `name/subject`
    above: AnyNumber | None = None
    below: AnyNumber | None = None
    checks: PositiveInt = 1
    margin: NonNegativeFloat = 0.0
    earliest: _Share = 0.0
    latest: _Share = 1.0
    every: Annotated[FiniteFloat, Field(gt=0, le=1)] = 0.05

    @model_validator(mode="wrap")
    @classmethod
    def _measured(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Self:
        gate: Self = check_with(handler, value, checks.flaws_of_gate(value, info))
        return gate


class RateRecipe(Recipe):
    """The learning rate over a stage; see `rate.RateShape`."""

    peak: Number = 1.0
    warmup: _Share = 0.0
    decay: _Share = 0.0
    floor: _Share = 0.0
    shape: Decay = "linear"


class StageRecipe(MixtureSource):
    """One stage: `share` of the target's tokens for `lm`, `tokens` for the other kinds."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    kind: StageKind
    share: Share | None = None
    tokens: TokenCount | None = None
    context_tokens: PositiveInt | None = None
    curve: CurveChoice | None = None
    learning_rate: RateRecipe = RateRecipe()
    packing: Packing = "stream"
    ordering: OrderingRecipe | None = None
    rope_base: Number | None = None  # of the target, from this stage on
    gate: GateRecipe | None = None
    ramp: Part | None = None  # share of the stage that moves from the mixture before to its own
    recall: Part | None = None  # share that repeats the mean mixture of earlier lm stages
    practice: PracticeChoice | None = None

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
    dpo_learning_rate: _Positive = 1e-6
    rl_learning_rate: _Positive = 1e-6
    rope_base: _Positive = 10_000.0  # of the first stage


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
    domains: DomainTable = Field(default_factory=dict)  # of the catalog, by the recipe's names
    limits: LimitsRecipe = LimitsRecipe()
    stage: Annotated[list[StageRecipe], Field(min_length=1), WrapValidator(_stages)]


AnySchedule = TypeVar("AnySchedule", bound=ScheduleRecipe)


class _AnyTable(Recipe):
    model_config = ConfigDict(extra="allow", frozen=True)


def read_schedule(
    path: Path,
    inventory: Inventory | None,
    model: type[AnySchedule],
    *,
    domains: Mapping[str, tuple[str, ...]] | None = None,
) -> AnySchedule:
    """Read a schedule recipe with its domains replaced by those of the catalog.

    Names are checked when an inventory is given. The recipe is checked as it is written first, so
    that every fault names what the user wrote.

    Args:
        path: the file.
        inventory: what the catalog holds.
        model: a schedule recipe, with or without a study.
        domains: replaces entries of the recipe's own `[domains]`; see `mapping.read_mapping`.

    Raises:
        RecipeError: lists every fault of the file, or names to replace that it does not have.
        NotFoundError: there is no such file.
    """
    data = dict(decode.read(path, _AnyTable).model_extra or {})
    if domains:
        mapping.require_named(data, domains)
        data["domains"] = mapping.merged(data.get("domains"), domains)
    context: dict[str, Any] = {}
    supply: dict[str, int] = {}
    if inventory is not None:
        context["schemas"] = {found.name: found.schema for found in inventory.domains}
        supply = inventory.supply(inventory.names())
    asked = mapping.schemas_with(data.get("domains"), context)
    recipe = decode.validate(data, model, file=str(path), context=asked)
    if not recipe.domains:
        return recipe
    data = mapping.replaced(data, recipe.domains, supply)
    return decode.validate(data, model, file=str(path), context=context)
