"""Inventories, recipes and schedules that the tests of the schedule floor share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.recipes.decode import validate
from mixopt.schedule.curve import Knot, MixtureCurve, Shape
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule, Stage, StageKind, TargetRun
from mixopt.schedule.space import Space

SUPPLY = {"web": 600_000, "code": 300_000, "math": 100_000}
CHAT = {"chat": 40_000, "drills": 60_000}


def inventory(
    text: Mapping[str, int] = SUPPLY, chat: Mapping[str, int] = CHAT, *, sample: float = 1.0
) -> Inventory:
    """Return an inventory; `sample` is the part of every supply that was found on disk."""
    domains = tuple(
        DomainSupply(
            name=name,
            provenance="organic",
            schema="text" if name in text else "conversation",
            licence="",
            supply_tokens=tokens,
            sample_tokens=round(tokens * sample),
            documents=10,
            num_bytes=tokens,
            content_hash="0" * 16,
        )
        for name, tokens in {**text, **chat}.items()
    )
    return Inventory(catalog="made-up", tokenizer="bytes", content_hash="0" * 16, domains=domains)


def recipe_data(*stages: Mapping[str, Any], max_epochs: float = 4.0) -> dict[str, Any]:
    target = {
        "parameters": "1M",
        "tokens": 1_000_000,
        "context_tokens": 64,
        "batch_tokens": 6400,
        "learning_rate": 1e-3,
    }
    return {
        "name": "made-up",
        "target": target,
        "limits": {"max_epochs": max_epochs},
        "stage": list(stages),
    }


def space(
    *stages: Mapping[str, Any], max_epochs: float = 4.0, held: Inventory | None = None
) -> Space:
    data = recipe_data(*stages, max_epochs=max_epochs)
    held = held or inventory()
    schemas = {domain.name: domain.schema for domain in held.domains}
    recipe = validate(data, ScheduleRecipe, file="made-up", context={"schemas": schemas})
    return Space(recipe=recipe, inventory=held)


def lm(name: str = "pretrain", share: object = 1.0, **rest: object) -> dict[str, object]:
    return {"name": name, "kind": "lm", "share": share, **rest}


def sft(tokens: int = 50_000, **rest: object) -> dict[str, object]:
    return {"name": "sft", "kind": "sft", "tokens": tokens, **rest}


def curve(shape: Shape, *weights: Mapping[str, float]) -> MixtureCurve:
    at = [n / max(1, len(weights) - 1) for n in range(len(weights))]
    pairs = zip(at, weights, strict=True)
    return MixtureCurve(
        shape=shape, knots=tuple(Knot(at=a, mixture=mixture_of(w)) for a, w in pairs)
    )


def stage(
    name: str, moving: MixtureCurve, tokens: int = 1_000_000, kind: StageKind = "lm"
) -> Stage:
    return Stage(
        name=name,
        kind=kind,
        tokens=tokens,
        curve=moving,
        context_tokens=64,
        learning_rate=RateShape(),
    )


def schedule(*stages: Stage, max_epochs: float = 100.0) -> Schedule:
    target = TargetRun(
        parameters=10**6,
        tokens=sum(found.tokens for found in stages if found.kind == "lm"),
        context_tokens=64,
        batch_tokens=6400,
        learning_rate=1e-3,
        sft_learning_rate=1e-5,
        tokenizer="bytes",
    )
    return Schedule(name="made-up", target=target, stages=stages, max_epochs=max_epochs)
