"""What a schedule recipe must keep beyond its types: weights, stages that fit, shares that add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationInfo
from pydantic_core import InitErrorDetails

from mixopt.catalog.recipe import Schema
from mixopt.recipes.decode import flaw

SUM_TOLERANCE = 1e-3
SCHEMA_OF: Mapping[str, Schema] = {"lm": "text", "sft": "conversation"}

Flaws = Iterator[InitErrorDetails]


def flaws_of_weights(weights: Mapping[str, float], info: ValidationInfo) -> Flaws:
    """Yield negative weights, unknown domains, and a sum that is not 1."""
    for name, weight in weights.items():
        if weight < 0:
            yield flaw((name,), "a weight of at least 0", weight)
    yield from flaws_of_names(weights, info)
    total = sum(weights.values())
    if abs(total - 1) > SUM_TOLERANCE:
        yield flaw((), "weights that sum to 1", round(total, 6))


def flaws_of_names(names: Mapping[str, object], info: ValidationInfo) -> Flaws:
    """Yield names that the catalog does not have; nothing is known of them without a catalog."""
    known = _schemas(info)
    for name in names if known else ():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            expected = f"one of the domains {', '.join(known)}"
            yield flaw((name,), expected, name, nearest=near[0] if near else "")


def flaws_of_stage(stage: object, info: ValidationInfo) -> Flaws:
    """Yield what is wrong between the values of a stage, from data that may be faulty in itself."""
    if not isinstance(stage, Mapping):
        return
    yield from _one_of(stage, ("mixture", "free", "curve"))
    kind = stage.get("kind")
    if kind in ("lm", "sft"):
        size, other = ("share", "tokens") if kind == "lm" else ("tokens", "share")
        if stage.get(size) is None:
            yield flaw((size,), f"a value in a stage of kind '{kind}'", None)
        if stage.get(other) is not None:
            yield flaw((other,), f"no {other} in a stage of kind '{kind}'", stage[other])
        yield from _flaws_of_schema(stage, kind, info)


def flaws_of_knot(knot: object) -> Flaws:
    """Yield a knot without a mixture or with two."""
    if isinstance(knot, Mapping):
        yield from _one_of(knot, ("mixture", "free"))


def flaws_of_stages(value: object) -> Flaws:
    """Yield what is wrong between stages, from data that may be faulty in itself."""
    listed = list(enumerate(value)) if isinstance(value, list | tuple) else []
    stages = [(index, stage) for index, stage in listed if isinstance(stage, Mapping)]
    seen: set[object] = set()
    for index, stage in stages:
        name = str(stage.get("name"))
        if name in seen:
            yield flaw((index, "name"), "a name that no stage above has", name)
        seen.add(name)
    kinds = [stage.get("kind") for _, stage in stages]
    if "lm" not in kinds:
        yield flaw((), "at least one stage of kind 'lm'", kinds)
    yield from _flaws_of_shares([stage["share"] for _, stage in stages if "share" in stage])


def _flaws_of_shares(shares: Sequence[object]) -> Flaws:
    rest = shares.count("rest")
    given = [share for share in shares if share != "rest"]
    most = [share.get("high") if isinstance(share, Mapping) else share for share in given]
    numbers = [float(share) for share in most if isinstance(share, int | float)]
    if rest > 1:
        yield flaw((), "share = 'rest' in one stage at most", list(shares))
    if not shares or len(numbers) < len(most):
        return
    if rest and sum(numbers) >= 1:
        yield flaw((), "shares that leave something for the stage with 'rest'", list(shares))
    closed = not any(isinstance(share, Mapping) for share in given)
    if not rest and (not closed or abs(sum(numbers) - 1) > SUM_TOLERANCE):
        expected = "shares of the lm stages that sum to 1, or one stage with share = 'rest'"
        yield flaw((), expected, list(shares))


def _one_of(table: Mapping[str, Any], keys: tuple[str, ...]) -> Flaws:
    found = [key for key in keys if table.get(key) is not None]
    if len(found) != 1:
        shown = " and ".join(found) or "none of them"
        yield flaw((), f"exactly one of {', '.join(keys)}", shown)


def _flaws_of_schema(stage: Mapping[str, Any], kind: str, info: ValidationInfo) -> Flaws:
    schemas, wanted = _schemas(info), SCHEMA_OF[kind]
    for place, weights in _weight_tables(stage):
        for name in weights:
            if schemas.get(name, wanted) != wanted:
                expected = f"a domain of schema '{wanted}' in a stage of kind '{kind}'"
                yield flaw((*place, name), expected, f"{name}, of schema '{schemas[name]}'")


def _weight_tables(
    table: Mapping[str, Any], place: tuple[int | str, ...] = ()
) -> Iterator[tuple[tuple[int | str, ...], Mapping[str, Any]]]:
    """Yield every table of weights of a stage with its place."""
    for key in ("mixture", "prior"):
        if isinstance(table.get(key), Mapping):
            yield (*place, key), table[key]
    for key in ("free", "curve"):
        if isinstance(table.get(key), Mapping):
            yield from _weight_tables(table[key], (*place, key))
    knots = table.get("knots")
    for number, knot in enumerate(knots if isinstance(knots, list | tuple) else ()):
        if isinstance(knot, Mapping):
            yield from _weight_tables(knot, (*place, "knots", number))


def _schemas(info: ValidationInfo) -> Mapping[str, Schema]:
    """Return domain -> schema of the catalog that the recipe is read against, if any."""
    found: Mapping[str, Schema] = (info.context or {}).get("schemas", {})
    return found
