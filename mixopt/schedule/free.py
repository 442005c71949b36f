"""Free mixtures in a recipe: their prior, and the bounds that every mixture of the search keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeGuard

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from mixopt.catalog.recipe import Provenance
from mixopt.recipes.decode import Recipe, check_with, flaw, refuse
from mixopt.schedule import checks
from mixopt.schedule.open import one_of

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
_BOUNDS: Final = ("floors", "ceilings", "groups", "blocks", "lattice")
_ROUNDING = 1e-9
_WIDEST: Final = 0.5  # step of a lattice


def _weights(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    refuse(checks.flaws_of_weights(value, info))
    return value


def _known(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    refuse(checks.flaws_of_names(value, info))
    return value


def _listed(value: list[str] | None, info: ValidationInfo) -> list[str] | None:
    refuse(checks.flaws_of_names(dict.fromkeys(value or (), 0.0), info))
    return value


WeightTable = Annotated[dict[str, FiniteFloat], AfterValidator(_weights)]
MixtureChoice = Annotated[
    Annotated[WeightTable, Tag("<table>")]
    | Annotated[Literal["natural", "uniform", "unimax"], Tag("<text>")],
    one_of("a table of weights, or one of 'natural', 'uniform' and 'unimax'"),
]
_Bounds = Annotated[dict[str, _Share], AfterValidator(_known)]


class GroupRecipe(Recipe):
    """Bounds on the sum of some weights: of named domains, or of all with one provenance."""

    of: Annotated[list[str] | None, Field(min_length=1), AfterValidator(_listed)] = None
    provenance: Provenance | None = None
    floor: _Share = 0.0
    ceiling: _Share = 1.0

    @model_validator(mode="wrap")
    @classmethod
    def _bounded(cls, value: object, handler: ValidatorFunctionWrapHandler) -> Self:
        group: Self = check_with(handler, value, _flaws_of_group(value))
        return group


class FreeMixture(Recipe):
    """A mixture that the search chooses: Dirichlet around a prior, moved to the nearest in bounds.

    Domains of a block keep their ratios: a block is one coordinate of the simplex, and one share
    for `least` and `lattice`.
    """

    prior: MixtureChoice = "natural"
    concentration: _Positive = 8.0  # sum of the Dirichlet parameters; larger stays nearer
    least: _Share = 0.002  # smallest weight of a domain
    floors: _Bounds = Field(default_factory=dict)  # least weights of domains
    ceilings: _Bounds = Field(default_factory=dict)  # largest weights of domains
    groups: list[GroupRecipe] = Field(default_factory=list)
    blocks: dict[str, WeightTable] = Field(default_factory=dict)  # ratios that stay as they are
    lattice: Annotated[FiniteFloat, Field(gt=0, le=_WIDEST)] | None = (
        None  # weights are its multiples
    )

    @model_validator(mode="wrap")
    @classmethod
    def _possible(cls, value: object, handler: ValidatorFunctionWrapHandler) -> Self:
        free: Self = check_with(handler, value, _flaws_of_free(value))
        return free

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out bounds that are not given, so that the hash of a recipe without any stays."""
        found: dict[str, Any] = handler(self)
        return {key: given for key, given in found.items() if key not in _BOUNDS or given}

    @property
    def bounded(self) -> bool:
        """Whether there is any bound beyond the least weight."""
        return any(getattr(self, key) for key in _BOUNDS)


def _flaws_of_group(group: object) -> Iterator[InitErrorDetails]:
    if not isinstance(group, Mapping):
        return
    given = [key for key in ("of", "provenance") if group.get(key) is not None]
    if len(given) != 1:
        yield flaw((), "exactly one of of, provenance", " and ".join(given) or "none of them")
    floor, ceiling = group.get("floor", 0.0), group.get("ceiling", 1.0)
    if _is_number(floor) and _is_number(ceiling) and floor > ceiling:
        yield flaw(("floor",), f"at most the group's ceiling, which is {ceiling}", floor)


def _flaws_of_free(free: object) -> Iterator[InitErrorDetails]:
    """Yield what is wrong between the bounds, from data that may be faulty in itself."""
    if not isinstance(free, Mapping):
        return
    yield from _flaws_of_bounds(_table(free, "floors"), _table(free, "ceilings"))
    yield from _flaws_of_blocks(_table(free, "blocks"))
    step = free.get("lattice")
    if _is_number(step) and 0 < step <= _WIDEST and abs(round(1 / step) * step - 1) > _ROUNDING:
        yield flaw(("lattice",), "a whole part of 1, such as 0.005", step)


def _flaws_of_bounds(
    floors: Mapping[str, Any], ceilings: Mapping[str, Any]
) -> Iterator[InitErrorDetails]:
    numbers = {name: floor for name, floor in floors.items() if _is_number(floor)}
    for name, floor in numbers.items():
        if _is_number(ceilings.get(name)) and floor > ceilings[name]:
            expected = f"at most the ceiling of '{name}', which is {ceilings[name]}"
            yield flaw(("floors", name), expected, floor)
    if sum(numbers.values()) > 1 + _ROUNDING:
        yield flaw(("floors",), "floors that sum to at most 1", round(sum(numbers.values()), 6))


def _flaws_of_blocks(blocks: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    owner: dict[str, str] = {}
    for block, ratios in blocks.items():
        for name in ratios if isinstance(ratios, Mapping) else ():
            if name in owner:
                expected = f"a domain of one block; '{name}' is in '{owner[name]}'"
                yield flaw(("blocks", block, name), expected, name)
            owner.setdefault(name, block)


def _table(free: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = free.get(key)
    return found if isinstance(found, Mapping) else {}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
