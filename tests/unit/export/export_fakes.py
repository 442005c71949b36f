"""Inventories, schedules and plans of any size for the tests of the export floor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mixopt.catalog.inventory import DomainSupply, Inventory, Shard
from mixopt.export.context import ExportContext
from mixopt.export.plan import make_export_plan
from mixopt.export.planned import ExportPlan
from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.practice import Practice
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Schedule, Stage, StageKind, TargetRun

LEVELS = {"addition": 1}

CONTEXT = 1000
BATCH = 10 * CONTEXT
SUPPLY = 1_000_000

Weights = Mapping[str, float]


def stage(
    name: str,
    *curve: Weights,
    kind: StageKind = "lm",
    tokens: int = SUPPLY,
    rate: RateShape | None = None,
    context: int = CONTEXT,
) -> Stage:
    """Return a stage with one mixture, or one that goes linearly from the first to the last."""
    held = constant(mixture_of(curve[0]))
    if len(curve) > 1:
        at = [n / (len(curve) - 1) for n in range(len(curve))]
        pairs = zip(at, curve, strict=True)
        knots = tuple(Knot(at=a, mixture=mixture_of(weights)) for a, weights in pairs)
        held = MixtureCurve(shape="linear" if len(curve) == 2 else "piecewise", knots=knots)
    return Stage(
        name=name,
        kind=kind,
        tokens=tokens,
        curve=held,
        context_tokens=context,
        learning_rate=rate or RateShape(),
    )


KIND_OF: Mapping[str, StageKind] = {
    "rejection": "sft",
    "pivotal": "dpo",
    "judged": "dpo",
    "grpo": "rl",
}


def practised(name: str, practice: Practice, *, tokens: int = SUPPLY) -> Stage:
    """Return a stage that learns from the model's own answers."""
    kind = KIND_OF[practice.method]
    return Stage(
        name=name,
        kind=kind,
        tokens=tokens,
        curve=constant(Mixture(domains=(), weights=())),
        context_tokens=CONTEXT,
        learning_rate=RateShape(),
        practice=practice,
    )


def schedule(*stages: Stage, batch_tokens: int = BATCH, tokenizer: str = "bytes") -> Schedule:
    """Return a schedule of some stages."""
    target = TargetRun(
        parameters=10**6,
        tokens=sum(found.tokens for found in stages if found.kind == "lm"),
        context_tokens=CONTEXT,
        batch_tokens=batch_tokens,
        learning_rate=1e-3,
        sft_learning_rate=1e-5,
        tokenizer=tokenizer,
        dpo_learning_rate=2e-6,
        rl_learning_rate=3e-6,
    )
    return Schedule(name="test", target=target, stages=stages, max_epochs=100.0)


def plan(
    *stages: Stage,
    supply: Mapping[str, int] | None = None,
    lengths: Mapping[str, int] | None = None,
    fired: Mapping[str, float] | None = None,
) -> ExportPlan:
    """Return a plan over domains that hold SUPPLY tokens in documents of 100, unless given."""
    made = schedule(*stages)
    inventory, shards = catalog(made, supply or {}, lengths or {})
    return make_export_plan(made, inventory, shards, fired)


def catalog(
    made: Schedule, supply: Mapping[str, int], lengths: Mapping[str, int]
) -> tuple[Inventory, dict[str, list[Shard]]]:
    """Return an inventory with every domain of a schedule, and one shard of each."""
    kinds = {name: found.kind for found in made.stages for name in found.curve.domains}
    domains, shards = [], {}
    for name, kind in kinds.items():
        tokens, length = supply.get(name, SUPPLY), lengths.get(name, 100)
        domains.append(
            DomainSupply(
                name=name,
                provenance="organic",
                schema="text" if kind == "lm" else "conversation",
                licence="",
                supply_tokens=tokens,
                sample_tokens=tokens,
                documents=tokens // length,
                num_bytes=tokens,
                content_hash="0" * 16,
            )
        )
        shards[name] = [
            Shard(
                domain=name,
                path=f"/data/{name.replace('/', '_')}.jsonl",
                format="jsonl",
                num_bytes=tokens,
                documents=tokens // length,
                tokens=tokens,
                content_hash="0" * 16,
            )
        ]
    found = Inventory(
        catalog="test", tokenizer="bytes", content_hash="c" * 16, domains=tuple(domains)
    )
    return found, shards


def context(folder: Path, *, devices: int = 1) -> ExportContext:
    """Return a context below a folder."""
    return ExportContext(export_folder=folder / "out", run_folder=folder / "run", devices=devices)
