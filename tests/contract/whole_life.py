"""A schedule of the whole life of a model, with everything that a stage can have, and its catalog."""

from __future__ import annotations

from dataclasses import replace

from mixopt.catalog.inventory import DomainSupply, Inventory, Shard
from mixopt.schedule.curve import MixtureCurve, constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.practice import Judged, Pivotal, Reinforcement, Rejection
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Online, Ordering, Schedule, Stage, TargetRun

TOKENS = 100_000_000
MIX = constant(mixture_of({"a": 0.7, "b": 0.3, "none": 0.0}))
OWN = constant(Mixture(domains=(), weights=()))
LEVELS = {"addition": 1}


def life_of(text: MixtureCurve) -> tuple[Stage, ...]:
    """Return stages of every kind, with everything that a stage can have."""
    chat = constant(mixture_of({"chat": 0.6, "math": 0.4}))
    first = Stage(
        name="text",
        kind="lm",
        tokens=TOKENS // 2,
        curve=text,
        context_tokens=1000,
        learning_rate=RateShape(warmup=0.1),
    )
    long = replace(
        first,
        name="long",
        context_tokens=4000,
        rope_base=500_000.0,
        gate=Gate(measure="accuracy/recall", above=0.9, earliest=0.1, latest=0.9),
        ordering=Ordering(score="length", strength=0.5),
        packing="whole",
        learning_rate=RateShape(decay=0.5, floor=0.1),
    )
    live = replace(first, name="live", online=Online(policy="odm"), learning_rate=RateShape())
    sft = replace(first, name="chat", kind="sft", curve=chat)
    rejection = Rejection(method="rejection", levels=LEVELS)
    pivotal = Pivotal(method="pivotal", levels=LEVELS)
    judged = Judged(method="judged", levels=LEVELS, label_smoothing=0.1, anchor=0.5)
    grpo = Reinforcement(method="grpo", levels=LEVELS)
    return (
        first,
        long,
        live,
        sft,
        replace(sft, name="own", curve=OWN, practice=rejection),
        replace(sft, name="pivots", kind="dpo", curve=OWN, practice=pivotal),
        replace(sft, name="judged", kind="dpo", curve=OWN, practice=judged),
        replace(sft, name="rl", kind="rl", curve=OWN, practice=grpo),
    )


def life_schedule(text: MixtureCurve = MIX) -> Schedule:
    target = TargetRun(
        parameters=1,
        tokens=3 * (TOKENS // 2),
        context_tokens=1000,
        batch_tokens=100_000,
        learning_rate=1e-3,
        sft_learning_rate=1e-5,
        tokenizer="bytes",
    )
    return Schedule(name="life", target=target, stages=life_of(text), max_epochs=100.0)


def life_inventory(schedule: Schedule) -> tuple[Inventory, dict[str, list[Shard]]]:
    held = [shard_of(name, TOKENS, 100) for name in ("a", "b", "none", "chat", "math")]
    domains = tuple(supply_of(shard) for shard in held)
    inventory = Inventory(catalog="c", tokenizer="bytes", content_hash="c", domains=domains)
    return inventory, {shard.domain: [shard] for shard in held if shard.domain in schedule.dose()}


def shard_of(name: str, tokens: int, length: int) -> Shard:
    return Shard(
        domain=name,
        path=f"/data/{name.replace('/', '_')}",
        format="jsonl",
        num_bytes=tokens,
        documents=tokens // length,
        tokens=tokens,
        content_hash="0",
    )


def supply_of(shard: Shard) -> DomainSupply:
    return DomainSupply(
        name=shard.domain,
        provenance="organic",
        schema="text",
        licence="",
        supply_tokens=shard.tokens,
        sample_tokens=shard.tokens,
        documents=shard.documents,
        num_bytes=shard.num_bytes,
        content_hash="0",
    )
