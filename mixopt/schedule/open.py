"""Open values: ranges that the search chooses from, in place of numbers and inside practices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from mixopt.recipes.decode import Recipe, flaw, refuse
from mixopt.schedule.practice import Asking, Judged, Pivotal, Practice, Reinforcement, Rejection

_Positive = Annotated[FiniteFloat, Field(gt=0)]

PRACTICES: Mapping[str, type[Rejection | Pivotal | Judged | Reinforcement]] = {
    "rejection": Rejection,
    "pivotal": Pivotal,
    "judged": Judged,
    "grpo": Reinforcement,
}
"""The settings of each method of practice."""


class Span(Recipe):
    """A number of either sign that the search chooses."""

    low: FiniteFloat
    high: FiniteFloat
    log: bool = False  # search on a logarithmic scale

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            message = f"low < high, got {self.low} and {self.high}"
            raise ValueError(message)
        if self.log and self.low <= 0:
            message = f"low > 0 on a logarithmic scale, got {self.low}"
            raise ValueError(message)
        return self

    @property
    def middle(self) -> float:
        """Where a baseline stands: halfway, on the scale that is searched."""
        if self.log:
            return float((self.low * self.high) ** 0.5)
        return (self.low + self.high) / 2


class Range(Span):
    """A number above 0 that the search chooses."""

    low: _Positive
    high: _Positive


def form_of(value: object) -> str:
    """Tell a table, a text and a number apart."""
    if isinstance(value, Mapping | Recipe):
        return "<table>"
    return "<text>" if isinstance(value, str) else "<number>"


def one_of(expected: str) -> Discriminator:
    """Return what tells the forms of a value apart, with the text for one of no form."""
    return Discriminator(form_of, custom_error_type="form", custom_error_message=expected)


def _within(low: float, high: float) -> Callable[[Any], Any]:
    """Return a check that a number, or both ends of a span, lie between two bounds."""

    def check(value: float | Span) -> float | Span:
        ends = (value.low, value.high) if isinstance(value, Span) else (value,)
        if not all(low <= end <= high for end in ends):
            message = f"from {low:g} to {high:g}"
            raise ValueError(message)
        return value

    return check


Number = Annotated[
    Annotated[_Positive, Tag("<number>")] | Annotated[Range, Tag("<table>")],
    one_of("a number above 0, or a table with `low` and `high`"),
]
AnyNumber = Annotated[
    Annotated[FiniteFloat, Tag("<number>")] | Annotated[Span, Tag("<table>")],
    one_of("a number, or a table with `low` and `high`"),
]
Part = Annotated[AnyNumber, AfterValidator(_within(0.0, 1.0))]
Strength = Annotated[AnyNumber, AfterValidator(_within(-1.0, 1.0))]


class PracticeRecipe(Recipe):
    """A practice, some of whose numbers may be open."""

    middle: Practice  # with every span at its middle
    spans: dict[str, Span] = Field(default_factory=dict)

    def at(self, values: Mapping[str, float]) -> Practice:
        """Return the practice at values of its spans, by key; whole numbers are rounded."""
        whole = {key for key in values if isinstance(getattr(self.middle, key), int)}
        changes = {key: round(v) if key in whole else float(v) for key, v in values.items()}
        return self.middle.model_copy(update=changes)


def _read_practice(value: object) -> object:
    """Return the data of a practice recipe from the table that a user writes."""
    if isinstance(value, PracticeRecipe):
        return value
    if isinstance(value, Asking):
        return {"middle": value}
    if not isinstance(value, Mapping):
        refuse([flaw((), "a table with `method`", value)])
    assert isinstance(value, Mapping)
    model = PRACTICES.get(str(value.get("method")))
    if model is None:
        found = value.get("method")
        near = get_close_matches(str(found), PRACTICES, n=1)
        expected = f"one of {', '.join(PRACTICES)}"
        refuse([flaw(("method",), expected, found, nearest=near[0] if near else "")])
    assert model is not None
    spans = _open_keys(value)
    refuse(_flaws_of_practice(value, model, spans))
    found_spans = {key: Span.model_validate(value[key]) for key in spans}
    middles = {key: _fitting(model, key, span.middle) for key, span in found_spans.items()}
    return {"middle": {**value, **middles}, "spans": found_spans}


PracticeChoice = Annotated[PracticeRecipe, BeforeValidator(_read_practice)]


def _open_keys(table: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(key for key, v in table.items() if isinstance(v, Mapping) and key != "levels")


def _fitting(model: type[Recipe], key: str, number: object) -> object:
    """Return a number as a field of a practice takes it; others come as they are."""
    known = model.model_fields.get(key)
    default = known.default if known is not None else None
    if isinstance(default, bool) or not isinstance(number, int | float):
        return {"low": number}  # no number stands for a yes or no
    return round(number) if isinstance(default, int) else number


def _flaws_of_practice(
    table: Mapping[str, Any], model: type[Recipe], spans: tuple[str, ...]
) -> Iterator[InitErrorDetails]:
    """Yield what is wrong with a practice at either end of its spans, each fault once."""
    for key in sorted(set(table) - set(model.model_fields)):
        near = get_close_matches(key, model.model_fields, n=1)
        expected = f"one of {', '.join(sorted(model.model_fields))}"
        yield flaw((key,), expected, f"unknown key '{key}'", nearest=near[0] if near else "")
    faulty: set[int | str] = set()
    for key in spans:
        for detail in _details(Span, table[key]):
            faulty.add(key)
            yield detail | {"loc": (key, *detail["loc"])}
    known = {key: v for key, v in table.items() if key in model.model_fields and key not in faulty}
    seen = set()
    for end in ("low", "high"):
        ends = {key: _fitting(model, key, known[key][end]) for key in spans if key in known}
        for detail in _details(model, known | ends):
            if (detail["loc"], str(detail["type"])) not in seen and not faulty & set(
                detail["loc"][:1]
            ):
                seen.add((detail["loc"], str(detail["type"])))
                yield detail


def _details(model: type[Recipe], value: object) -> Iterator[InitErrorDetails]:
    """Yield the faults of a value, ready to be raised again at another place."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            kind = PydanticCustomError(detail["type"], detail["msg"], detail.get("ctx"))
            yield InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"])
