"""Domain mapping: the names that a recipe gives its data, replaced by domains of a catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import InitErrorDetails

from mixopt.errors import Fault, RecipeError
from mixopt.recipes.decode import flaw, refuse
from mixopt.schedule import bounds

Weights = dict[str, float]

_TABLES = ("domains", "mixture", "prior", "max_epochs_of", "floors", "ceilings")
"""Tables that have names of data as keys."""

_OF_TEXT = ("bits_per_byte", "long_bits_per_byte")


def _listed(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, Mapping):
        return value
    table = {name: _targets(given) for name, given in value.items()}
    refuse(_flaws(table, (info.context or {}).get("held", {})))
    return table


DomainTable = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_listed)]
"""The domains of a catalog that each name of a recipe stands for."""


def read_mapping(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the table that `name=domain` and `name=one+other` stand for, as a command gives them.

    Raises:
        RecipeError: lists every text of another form, and every name that is given twice.
    """
    pairs = [(text, *text.partition("=")) for text in texts]
    faults = [
        Fault(key="--map", expected="name=domain or name=domain+domain", found=text)
        for text, name, _, given in pairs
        if not name.strip() or not all(part.strip() for part in given.split("+"))
    ]
    names = [name.strip() for _, name, _, _ in pairs]
    faults += [
        Fault(key="--map", expected=f"'{name}' once; name=one+other is of both", found=text)
        for number, (name, text) in enumerate(zip(names, texts, strict=True))
        if name and name in names[:number]
    ]
    if faults:
        place = "--map"
        raise RecipeError(place, faults)
    return {
        name.strip(): tuple(part.strip() for part in given.split("+"))
        for _, name, _, given in pairs
    }


def merged(table: object, changes: Mapping[str, tuple[str, ...]]) -> object:
    """Return a recipe's `[domains]` with some entries replaced; a faulty table stays as it is."""
    if table is not None and not isinstance(table, Mapping):
        return table
    return {**(table or {}), **{name: list(given) for name, given in changes.items()}}


def require_named(data: Mapping[str, Any], changes: Mapping[str, tuple[str, ...]]) -> None:
    """Raise a recipe error for names that are to be replaced and that a recipe does not have.

    Args:
        data: decoded, perhaps faulty.
        changes: see `read_mapping`.
    """
    known = sorted(_names_in(data))
    faults = [
        Fault(
            key="--map",
            expected=f"a name of data in the recipe: {', '.join(known) or 'it has none'}",
            found=name,
            nearest=next(iter(get_close_matches(name, known, n=1)), ""),
        )
        for name in changes
        if name not in known
    ]
    if faults:
        place = "--map"
        raise RecipeError(place, faults)


def _names_in(part: object) -> set[str]:
    """Return the names of all tables by domain, however deep in a recipe they are."""
    if isinstance(part, list):
        return {name for each in part for name in _names_in(each)}
    if not isinstance(part, Mapping):
        return set()
    tables = [part[key] for key in _TABLES if isinstance(part.get(key), Mapping)]
    blocks = part.get("blocks")
    tables += list(blocks.values()) if isinstance(blocks, Mapping) else []
    listed = part.get("of") if isinstance(part.get("of"), list) else ()
    found = {str(name) for table in (*tables, listed) for name in table}
    return found.union(*(_names_in(each) for each in part.values()))


def schemas_with(table: object, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context to check a recipe in whose names are not replaced yet.

    Args:
        table: the recipe's `[domains]`, perhaps faulty.
        context: with `schemas`, domain -> schema, where a catalog is at hand.
    """
    held = context.get("schemas")
    if held is None:
        return dict(context)
    schemas = dict(held)
    for name, given in table.items() if isinstance(table, Mapping) else ():
        schemas[name] = next((held[each] for each in _targets(given) if each in held), "text")
    return {**context, "held": held, "schemas": schemas}


def replaced(
    data: Mapping[str, Any], table: Mapping[str, tuple[str, ...]], supply: Mapping[str, int]
) -> dict[str, Any]:
    """Return the data of a valid schedule recipe with names replaced by domains.

    Where a name stands for several domains they share its weight in proportion to their supply, or
    equally where that is not known; each keeps its cap on epochs, and bounds on its weight become
    bounds on their sum. Where several names stand for one domain, weights and bounds add up and
    the largest cap holds.

    Args:
        data: decoded, and found valid.
        table: domains by name.
        supply: tokens by domain.
    """
    found = dict(data)
    found["domains"] = {name: list(given) for name, given in table.items()}
    if isinstance(data.get("limits"), Mapping):
        found["limits"] = {**data["limits"], **_caps(data["limits"], table)}
    found["stage"] = [_stage(stage, table, supply) for stage in data["stage"]]
    if isinstance(data.get("study"), Mapping):
        found["study"] = {**data["study"], **_measures(data["study"], table)}
    return found


def _targets(given: object) -> tuple[object, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _flaws(
    table: Mapping[str, tuple[object, ...]], held: Mapping[str, str]
) -> Iterator[InitErrorDetails]:
    for name, targets in table.items():
        if not targets or len(set(map(str, targets))) < len(targets):
            yield flaw((name,), "a domain or a list of different domains", list(targets))
        for target in targets:
            if held and target not in held:
                near = get_close_matches(str(target), held, n=1)
                expected = f"one of the domains {', '.join(held)}"
                yield flaw((name,), expected, target, nearest=near[0] if near else "")
        schemas = {held[str(target)] for target in targets if target in held}
        if len(schemas) > 1:
            yield flaw((name,), "domains of one schema", sorted(schemas))


def _stage(
    stage: Mapping[str, Any], table: Mapping[str, tuple[str, ...]], supply: Mapping[str, int]
) -> dict[str, Any]:
    found = _mixtures(stage, table, supply)
    if isinstance(stage.get("gate"), Mapping):
        name, _, subject = stage["gate"]["measure"].partition("/")
        found["gate"] = {**stage["gate"], "measure": f"{name}/{_subject(name, subject, table)}"}
    return found


def _mixtures(
    part: Mapping[str, Any], table: Mapping[str, tuple[str, ...]], supply: Mapping[str, int]
) -> dict[str, Any]:
    """Return a part of a stage with the names in all of its tables of weights replaced."""
    found = dict(part)
    for key in ("mixture", "prior"):
        if isinstance(part.get(key), Mapping):
            found[key] = _weights(part[key], table, supply)
    for key in ("free", "curve"):
        if isinstance(part.get(key), Mapping):
            found[key] = _mixtures(part[key], table, supply)
    if isinstance(part.get("blocks"), Mapping):
        found["blocks"] = {
            name: _weights(ratios, table, supply) for name, ratios in part["blocks"].items()
        }
    if not part.keys().isdisjoint({"floors", "ceilings", "groups"}):
        found |= bounds.renamed(part, table)
    if isinstance(part.get("knots"), list):
        found["knots"] = [_mixtures(knot, table, supply) for knot in part["knots"]]
    return found


def _weights(
    weights: Weights, table: Mapping[str, tuple[str, ...]], supply: Mapping[str, int]
) -> Weights:
    found: Weights = {}
    for name, weight in weights.items():
        targets = table.get(name, (name,))
        tokens = [supply.get(target, 0) for target in targets]
        parts = tokens if all(tokens) else [1] * len(targets)
        for target, part in zip(targets, parts, strict=True):
            found[target] = found.get(target, 0.0) + weight * part / sum(parts)
    return found


def _caps(limits: Mapping[str, Any], table: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    caps: dict[str, float] = {}
    for name, cap in limits.get("max_epochs_of", {}).items():
        for target in table.get(name, (name,)):
            caps[target] = max(cap, caps.get(target, cap))
    return {"max_epochs_of": caps}


def _measures(
    study: Mapping[str, Any], table: Mapping[str, tuple[str, ...]]
) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {"objective": _key(study["objective"], table)}
    for key in ("also", "guardrails"):
        if key in study:
            found[key] = [_key(each, table) for each in study[key]]
    return found


def _key(key: str, table: Mapping[str, tuple[str, ...]]) -> str:
    stage, name, subject = key.split("/")
    return f"{stage}/{name}/{_subject(name, subject, table)}"


def _subject(name: str, subject: str, table: Mapping[str, tuple[str, ...]]) -> str:
    """Return the domain that a measure of text is of; a name of several domains stays."""
    targets = table.get(subject, ())
    return targets[0] if name in _OF_TEXT and len(targets) == 1 else subject
