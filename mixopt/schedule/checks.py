"""What a schedule recipe must keep beyond its types: weights, stages that fit, shares that add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args

from pydantic import ValidationInfo
from pydantic_core import InitErrorDetails

from mixopt.catalog.recipe import Schema
from mixopt.recipes.decode import flaw
from mixopt.schedule.practice import METHODS_OF
from mixopt.tasks.registry import FAMILIES

SUM_TOLERANCE = 1e-3
SCHEMA_OF: Mapping[str, Schema] = {"lm": "text", "sft": "conversation"}

PolicyName = Literal["doremi", "doge", "odm", "ado", "aioli", "skill_it", "learning_progress"]
POLICY_NAMES: Final[tuple[str, ...]] = get_args(PolicyName)
"""The online policies: the keys of `training.online.table.POLICIES`."""
LEAST_UPDATES: Final[Mapping[str, int]] = {"ado": 9}
"""Fewest mixtures of policies that keep their prior for a while: with fewer they would do nothing."""

TEXT_MEASURES: Final = ("bits_per_byte",)
TASK_MEASURES: Final = ("margin", "accuracy", "answer_probability", "answer_bits_per_byte")
MEAN: Final = "mean"  # subject of a measure averaged over domains or task families

_LM_KEYS = ("packing", "ordering", "rope_base", "gate", "ramp", "recall")

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
    kind = stage.get("kind")
    if kind not in METHODS_OF:
        yield from _one_of(stage, ("mixture", "free", "curve"))
        return
    yield from _flaws_of_data(stage, kind)
    size, other = ("share", "tokens") if kind == "lm" else ("tokens", "share")
    if stage.get(size) is None:
        yield flaw((size,), f"a value in a stage of kind '{kind}'", None)
    if stage.get(other) is not None:
        yield flaw((other,), f"no {other} in a stage of kind '{kind}'", stage[other])
    if kind == "lm":
        yield from _flaws_of_online(stage)
    else:
        for key in (key for key in _LM_KEYS if stage.get(key) not in (None, "stream")):
            yield flaw((key,), f"no {key} in a stage of kind '{kind}'", stage[key])
    if kind in SCHEMA_OF:
        yield from _flaws_of_schema(stage, kind, info)


def _flaws_of_data(stage: Mapping[str, Any], kind: str) -> Flaws:
    """Yield a stage without anything to train on, or with two things."""
    practice, methods = stage.get("practice"), METHODS_OF[kind]
    mixtures = ("mixture", "free", "curve")
    if practice is None and kind in SCHEMA_OF:
        yield from _one_of(stage, (*mixtures, "practice") if methods else mixtures)
        if kind != "lm" and _is_online(stage):
            yield flaw(("curve", "online"), f"no online curve in a stage of kind '{kind}'", kind)
        return
    if not methods:
        yield flaw(("practice",), f"no practice in a stage of kind '{kind}'", practice)
        return
    method = practice.get("method") if isinstance(practice, Mapping) else None
    known = {name for names in METHODS_OF.values() for name in names}
    if practice is None or (method in known and method not in methods):
        place = ("practice",) if practice is None else ("practice", "method")
        expected = f"a practice by {' or '.join(methods)} in a stage of kind '{kind}'"
        yield flaw(place, expected, method)
    for key in mixtures:
        if stage.get(key) is not None:
            yield flaw((key,), "no data in a stage that practises", stage[key])


def _flaws_of_online(stage: Mapping[str, Any]) -> Flaws:
    """Yield what cannot be told beforehand when a rule sets the mixture."""
    for key in ("ordering", "ramp", "recall") if _is_online(stage) else ():
        if stage.get(key) is not None:
            yield flaw((key,), f"no {key} where the curve is online", stage[key])
    curve = stage.get("curve")
    if not isinstance(curve, Mapping) or not isinstance(curve.get("updates"), int):
        return
    least = LEAST_UPDATES.get(str(curve.get("online")), 1)
    if 0 < curve["updates"] < least:
        expected = f"at least {least}, as '{curve['online']}' keeps its prior until then"
        yield flaw(("curve", "updates"), expected, curve["updates"])


def _is_online(stage: Mapping[str, Any]) -> bool:
    curve = stage.get("curve")
    return isinstance(curve, Mapping) and curve.get("online") is not None


def flaws_of_gate(gate: object, info: ValidationInfo) -> Flaws:
    """Yield a gate without one threshold, with its points in disorder, or on no known measure."""
    if not isinstance(gate, Mapping):
        return
    yield from _one_of(gate, ("above", "below"))
    early, late = gate.get("earliest", 0.0), gate.get("latest", 1.0)
    if isinstance(early, int | float) and isinstance(late, int | float) and early > late:
        yield flaw(("earliest",), f"at most latest, which is {late}", early)
    measure = gate.get("measure")
    if isinstance(measure, str):
        yield from _flaws_of_measure(measure, info)


def _flaws_of_measure(measure: str, info: ValidationInfo) -> Flaws:
    name, _, subject = measure.partition("/")
    if name not in (*TEXT_MEASURES, *TASK_MEASURES) or not subject:
        names = ", ".join((*TEXT_MEASURES, *TASK_MEASURES))
        near = get_close_matches(name, (*TEXT_MEASURES, *TASK_MEASURES), n=1)
        hint = f"{near[0]}/{subject or MEAN}" if near else ""
        yield flaw(("measure",), f"measure/subject with one of {names}", measure, nearest=hint)
        return
    texts = [domain for domain, schema in _schemas(info).items() if schema == "text"]
    known = list(FAMILIES) if name in TASK_MEASURES else texts
    if known and subject not in (MEAN, *known):
        kind = "task families" if name in TASK_MEASURES else "text domains"
        near = get_close_matches(subject, (MEAN, *known), n=1)
        expected = f"'{MEAN}' or one of the {kind} {', '.join(known)}"
        yield flaw(("measure",), expected, measure, nearest=f"{name}/{near[0]}" if near else "")


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
    yield from _flaws_of_neighbours(listed)
    others = set(METHODS_OF) - {"lm"}  # whose share is a fault already
    shared = [stage for _, stage in stages if "share" in stage and stage.get("kind") not in others]
    yield from _flaws_of_shares([stage["share"] for stage in shared])


def _flaws_of_neighbours(stages: Sequence[tuple[int, object]]) -> Flaws:
    """Yield gates and ramps without the right stage before, and recalls of nothing."""
    before: Mapping[str, Any] = {}
    for index, stage in stages:
        if not isinstance(stage, Mapping):
            continue
        for key in ("gate", "ramp"):
            if stage.get(key) is not None and before.get("kind") != "lm":
                expected = f"no {key} but in a stage right after one of kind 'lm'"
                yield flaw((index, key), expected, stage[key])
            elif stage.get(key) is not None and _is_online(before):
                expected = f"no {key} after a stage whose curve is online"
                yield flaw((index, key), expected, stage[key])
        if stage.get("gate") is not None and before.get("ordering") is not None:
            expected = "no gate after an ordered stage, whose order it would cut"
            yield flaw((index, "gate"), expected, stage["gate"])
        earlier = any(isinstance(s, Mapping) and s.get("kind") == "lm" for _, s in stages[:index])
        if stage.get("recall") is not None and not earlier:
            expected = "no recall but after a stage of kind 'lm'"
            yield flaw((index, "recall"), expected, stage["recall"])
        before = stage


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
    for key in ("mixture", "prior", "floors", "ceilings"):
        if isinstance(table.get(key), Mapping):
            yield (*place, key), table[key]
    yield from _named_in_bounds(table, place)
    for key in ("free", "curve"):
        if isinstance(table.get(key), Mapping):
            yield from _weight_tables(table[key], (*place, key))
    knots = table.get("knots")
    for number, knot in enumerate(knots if isinstance(knots, list | tuple) else ()):
        if isinstance(knot, Mapping):
            yield from _weight_tables(knot, (*place, "knots", number))


def _named_in_bounds(
    free: Mapping[str, Any], place: tuple[int | str, ...]
) -> Iterator[tuple[tuple[int | str, ...], Mapping[str, Any]]]:
    """Yield the domains of the blocks and the groups of a free mixture with their place."""
    blocks, groups = free.get("blocks"), free.get("groups")
    for name, ratios in blocks.items() if isinstance(blocks, Mapping) else ():
        if isinstance(ratios, Mapping):
            yield (*place, "blocks", name), ratios
    for number, group in enumerate(groups if isinstance(groups, list | tuple) else ()):
        names = group.get("of") if isinstance(group, Mapping) else None
        if isinstance(names, list | tuple):
            yield (*place, "groups", number, "of"), dict.fromkeys(map(str, names))


def _schemas(info: ValidationInfo) -> Mapping[str, Schema]:
    """Return domain -> schema of the catalog that the recipe is read against, if any."""
    found: Mapping[str, Schema] = (info.context or {}).get("schemas", {})
    return found
