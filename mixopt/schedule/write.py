"""Writing a schedule back as a recipe, so that a winner can be read, edited and run again."""

from __future__ import annotations

import dataclasses
from typing import Any

import tomli_w

from mixopt.schedule.schedule import Schedule, Stage


def schedule_toml(schedule: Schedule, *, comment: str = "") -> str:
    """Return the recipe of a schedule; reading it gives the same digest.

    Args:
        schedule: what to write.
        comment: lines to put on top, without the leading `#`.
    """
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + tomli_w.dumps(schedule_table(schedule))


def schedule_table(schedule: Schedule) -> dict[str, Any]:
    """Return the recipe of a schedule as plain data."""
    return {
        "name": schedule.name,
        "target": _fields(schedule.target),
        "limits": {
            "max_epochs": schedule.max_epochs,
            "max_epochs_of": dict(schedule.max_epochs_of),
        },
        "stage": [_stage(stage, schedule) for stage in schedule.stages],
    }


def _stage(stage: Stage, schedule: Schedule) -> dict[str, Any]:
    table: dict[str, Any] = {"name": stage.name, "kind": stage.kind}
    last = [other for other in schedule.stages if other.kind == "lm"][-1]
    if stage.kind != "lm":
        table["tokens"] = stage.tokens
    elif stage is last:
        table["share"] = "rest" if stage.tokens < schedule.target.tokens else 1.0
    else:
        table["share"] = stage.tokens / schedule.target.tokens
    table["context_tokens"] = stage.context_tokens
    table["learning_rate"] = _fields(stage.learning_rate)
    if stage.packing != "stream":
        table["packing"] = stage.packing
    for key in ("ordering", "gate"):
        if getattr(stage, key) is not None:
            table[key] = _fields(getattr(stage, key))
    if stage.rope_base is not None:
        table["rope_base"] = stage.rope_base
    if stage.practice is not None:
        return table | {"practice": stage.practice.model_dump()}
    return table | _mixture(stage)


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return the fields of a dataclass that are not None."""
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: given for name, given in found.items() if given is not None}


def _mixture(stage: Stage) -> dict[str, Any]:
    curve = stage.curve
    first = curve.knots[0].mixture.as_dict()
    if stage.online is not None:
        online = {"online": stage.online.policy, "updates": stage.online.updates}
        return {"curve": online | {"prior": first}}
    if curve.shape == "constant":
        return {"mixture": first}
    knots = [{"at": knot.at, "mixture": knot.mixture.as_dict()} for knot in curve.knots]
    return {"curve": {"shape": curve.shape, "knots": knots}}
