"""Reading a TOML recipe into a typed model, with all of its faults reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from mixopt.errors import Fault, NotFoundError, RecipeError


class Recipe(BaseModel):
    """Base of every recipe model: immutable, and unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def read(
    path: Path, model: type[AnyRecipe], *, context: Mapping[str, Any] | None = None
) -> AnyRecipe:
    """Read a recipe file; `context` reaches the model's validators.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: the file is no TOML, or any key or value is wrong; lists every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"no such file: {path}"
        raise NotFoundError(message, remedy="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}"
        raise NotFoundError(message, why=str(error)) from error
    return decode(text, model, file=str(path), context=context)


def decode(
    text: str, model: type[AnyRecipe], *, file: str, context: Mapping[str, Any] | None = None
) -> AnyRecipe:
    """Decode the text of a recipe; `file` names it in error messages.

    Raises:
        RecipeError: the text is no TOML, or any key or value is wrong; lists every fault.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fault = Fault(key="(syntax)", expected="TOML", found=str(error))
        raise RecipeError(file, [fault]) from None
    return validate(data, model, file=file, context=context)


def validate(
    data: dict[str, Any],
    model: type[AnyRecipe],
    *,
    file: str,
    context: Mapping[str, Any] | None = None,
) -> AnyRecipe:
    """Check decoded data against a recipe model.

    Raises:
        RecipeError: any key or value is wrong; lists every fault.
    """
    try:
        return model.model_validate(data, context=dict(context or {}))
    except ValidationError as error:
        faults = [_fault(detail, model) for detail in error.errors(include_url=False)]
        raise RecipeError(file, list(dict.fromkeys(faults))) from None


def flaw(
    place: tuple[int | str, ...], expected: str, found: object, *, nearest: str = ""
) -> InitErrorDetails:
    """Return a fault that a validator reports, at a place below the value it checks."""
    kind = PydanticCustomError("flaw", "{expected}", {"expected": expected, "nearest": nearest})
    return InitErrorDetails(type=kind, loc=place, input=found)


def refuse(flaws: Iterable[InitErrorDetails]) -> None:
    """Raise a validation error that holds some flaws; pass when there are none."""
    listed = list(flaws)
    if listed:
        title = "recipe"
        raise ValidationError.from_exception_data(title, listed)


def check_with(
    handler: ValidatorFunctionWrapHandler, value: object, flaws: Iterable[InitErrorDetails]
) -> Any:  # noqa: ANN401 - whatever the handler makes of the value
    """Return what the inner validation makes of a value; report its faults beside the flaws."""
    listed = list(flaws)
    result: Any = None
    try:
        result = handler(value)
    except ValidationError as error:
        listed = [*_details(error), *listed]
    refuse(listed)
    return result


def _details(error: ValidationError) -> Iterator[InitErrorDetails]:
    """Yield the faults of a validation so that they can be raised again beside others."""
    for detail in error.errors(include_url=False):
        kind = PydanticCustomError(detail["type"], detail["msg"], detail.get("ctx"))
        yield InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"])


def _fault(detail: ErrorDetails, model: type[BaseModel]) -> Fault:
    location = [str(part) for part in detail["loc"] if not str(part).startswith("<")]
    key = ".".join(location) or "(recipe)"
    if detail["type"] == "extra_forbidden":
        names = [n for n in _names_at(model, detail["loc"][:-1]) if n != detail["loc"][-1]]
        near = get_close_matches(str(detail["loc"][-1]), names, n=1)
        expected = f"one of {', '.join(sorted(names))}" if names else "no such key"
        return Fault(
            key=key,
            expected=expected,
            found=f"unknown key '{detail['loc'][-1]}'",
            nearest=near[0] if near else "",
        )
    if detail["type"] == "missing":
        return Fault(key=key, expected="a value", found="nothing")
    if detail["type"].startswith("union_tag_"):
        return _fault_of_tag(key, detail)
    return Fault(
        key=key,
        expected=_expectation(detail),
        found=_shown(detail["input"]),
        nearest=_nearest_choice(detail),
    )


def _fault_of_tag(key: str, detail: ErrorDetails) -> Fault:
    """Return the fault of a table whose kind, such as `reader`, is unknown or missing."""
    context = {name: str(value) for name, value in detail.get("ctx", {}).items()}
    tags = context.get("expected_tags", "").replace("'", "")
    field = context["discriminator"].replace("'", "")
    near = get_close_matches(context.get("tag", ""), tags.split(", "), n=1)
    return Fault(
        key=f"{key}.{field}",
        expected=f"one of {tags}" if tags else "a value",
        found=repr(context["tag"]) if "tag" in context else "nothing",
        nearest=near[0] if near else "",
    )


def _expectation(detail: ErrorDetails) -> str:
    if detail["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "a table"
    if detail["type"] == "too_short":
        return f"at least {detail['ctx']['min_length']}, not {detail['ctx']['actual_length']}"
    text = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _nearest_choice(detail: ErrorDetails) -> str:
    if "nearest" in detail.get("ctx", {}):
        return str(detail["ctx"]["nearest"])
    if detail["type"] not in {"literal_error", "enum"}:
        return ""
    choices = str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
    near = get_close_matches(str(detail["input"]), [choice.strip("'") for choice in choices], n=1)
    return near[0] if near else ""


def _names_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the model that stands at a location inside `model`."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        inner: list[type[BaseModel]] = []
        for outer in models:
            if part in outer.model_fields:
                inner.extend(_models_in(outer.model_fields[part].annotation))
            elif part == outer.__name__ or part in _tags(outer):
                inner.append(outer)
        models = inner or models
    names = {field.alias or name for found in models for name, field in found.model_fields.items()}
    return sorted(names)


def _tags(model: type[BaseModel]) -> set[str]:
    """Return the words that choose this model in a union that is told apart by a field."""
    fields = model.model_fields.values()
    return {
        word
        for field in fields
        if get_origin(field.annotation) is Literal
        for word in get_args(field.annotation)
    }


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]
