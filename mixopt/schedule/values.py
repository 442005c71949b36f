"""The open numbers of a stage recipe by name, and the stage at values of them."""

from __future__ import annotations

from collections.abc import Mapping

from mixopt.schedule.carry import Ends
from mixopt.schedule.curve import MixtureCurve
from mixopt.schedule.gate import Gate
from mixopt.schedule.open import Span
from mixopt.schedule.practice import Practice
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import OnlineRecipe, StageRecipe
from mixopt.schedule.schedule import Online, Ordering, Stage

Values = Mapping[str, float]


def open_numbers(stage: StageRecipe) -> dict[str, Span]:
    """Return the ranges of a stage by the names of their coordinates; mixtures are left out."""
    given: dict[str, object] = {
        "share": stage.share,
        "learning_rate": stage.learning_rate.peak,
        "rope_base": stage.rope_base,
        "recall": stage.recall,
        "ramp": stage.ramp,
    }
    if stage.ordering is not None:
        given["ordering.strength"] = stage.ordering.strength
    if stage.gate is not None:
        given |= {"gate.above": stage.gate.above, "gate.below": stage.gate.below}
    if stage.practice is not None:
        given |= {f"practice.{key}": span for key, span in stage.practice.spans.items()}
    return {f"{stage.name}.{key}": each for key, each in given.items() if isinstance(each, Span)}


def number(given: object, name: str, values: Values) -> float:
    """Return a number of a recipe: itself, or the value of its coordinate where it is open.

    Raises:
        TypeError: it is no number at all.
    """
    if isinstance(given, Span):
        return float(values[name])
    if not isinstance(given, int | float):
        message = f"{name} is not a number"
        raise TypeError(message)
    return float(given)


def part(given: float | Span | None, name: str, values: Values) -> float:
    """Return a recall or a ramp of a recipe; 0 where there is none."""
    return 0.0 if given is None else number(given, name, values)


def ends_of(given: float | Span | None) -> Ends:
    """Return the values that a recall or a ramp may take, as extremes."""
    if isinstance(given, Span):
        return (given.low, given.high)
    return (given or 0.0,)


def make_stage(
    recipe: StageRecipe, values: Values, curve: MixtureCurve, tokens: int, context_tokens: int
) -> Stage:
    """Return the stage of a recipe at a point.

    Args:
        recipe: of the stage.
        values: of all coordinates.
        curve: its mixtures.
        tokens: of the stage in the target run.
        context_tokens: of the target, where the stage has none of its own.
    """
    rate = recipe.learning_rate
    return Stage(
        name=recipe.name,
        kind=recipe.kind,
        tokens=tokens,
        curve=curve,
        context_tokens=recipe.context_tokens or context_tokens,
        learning_rate=RateShape(
            peak=number(rate.peak, f"{recipe.name}.learning_rate", values),
            warmup=rate.warmup,
            decay=rate.decay,
            floor=rate.floor,
            shape=rate.shape,
        ),
        packing=recipe.packing,
        ordering=_ordering(recipe, values),
        rope_base=_optional(recipe.rope_base, f"{recipe.name}.rope_base", values),
        gate=_gate(recipe, values),
        online=_online(recipe),
        practice=_practice(recipe, values),
    )


def _optional(given: float | Span | None, name: str, values: Values) -> float | None:
    return None if given is None else number(given, name, values)


def _ordering(recipe: StageRecipe, values: Values) -> Ordering | None:
    if recipe.ordering is None:
        return None
    strength = number(recipe.ordering.strength, f"{recipe.name}.ordering.strength", values)
    return Ordering(score=recipe.ordering.score, strength=strength)


def _gate(recipe: StageRecipe, values: Values) -> Gate | None:
    gate = recipe.gate
    if gate is None:
        return None
    return Gate(
        measure=gate.measure,
        above=_optional(gate.above, f"{recipe.name}.gate.above", values),
        below=_optional(gate.below, f"{recipe.name}.gate.below", values),
        checks=gate.checks,
        margin=gate.margin,
        earliest=gate.earliest,
        latest=gate.latest,
        every=gate.every,
    )


def _online(recipe: StageRecipe) -> Online | None:
    curve = recipe.curve
    if not isinstance(curve, OnlineRecipe):
        return None
    return Online(policy=curve.online, updates=curve.updates)


def _practice(recipe: StageRecipe, values: Values) -> Practice | None:
    if recipe.practice is None:
        return None
    names = {key: f"{recipe.name}.practice.{key}" for key in recipe.practice.spans}
    return recipe.practice.at({key: values[name] for key, name in names.items()})
