"""Writing a schedule back as a recipe, so that a winner can be read, edited and run again."""

from __future__ import annotations

from typing import Any

import tomli_w

from mixopt.schedule.curve import MixtureCurve
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
    target = schedule.target
    names = target.__dataclass_fields__
    return {
        "name": schedule.name,
        "target": {name: getattr(target, name) for name in names},
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
    rate = stage.learning_rate
    table["learning_rate"] = {name: getattr(rate, name) for name in rate.__dataclass_fields__}
    return table | _mixture(stage.curve)


def _mixture(curve: MixtureCurve) -> dict[str, Any]:
    if curve.shape == "constant":
        return {"mixture": curve.knots[0].mixture.as_dict()}
    knots = [{"at": knot.at, "mixture": knot.mixture.as_dict()} for knot in curve.knots]
    return {"curve": {"shape": curve.shape, "knots": knots}}
