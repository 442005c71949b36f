"""Laying out a schedule at the target: what every exporter derives its files from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixopt.catalog.inventory import Inventory, Shard
from mixopt.export.pieces import Cut, cut
from mixopt.export.planned import ExportPlan, Part, Piece, PlannedStage, Rate, Source
from mixopt.schedule import simplex
from mixopt.schedule.schedule import Schedule, Stage, TargetRun
from mixopt.schedule.write import schedule_table


def make_export_plan(
    schedule: Schedule, inventory: Inventory, shards: Mapping[str, Sequence[Shard]]
) -> ExportPlan:
    """Lay out a schedule at the target's scale.

    A step has the whole number of sequences nearest to `batch_tokens`; a stage has the whole number
    of such steps nearest to its tokens, and at least one.

    Args:
        schedule: what the target is to train.
        inventory: what the catalog holds.
        shards: the files of every domain of the schedule.

    Raises:
        NotFoundError: the catalog has no domain of that name.
    """
    sources = {
        name: _source(inventory, name, shards.get(name, ())) for name in sorted(schedule.dose())
    }
    notes = _notes_on_tokenizer(schedule, inventory)
    used: dict[str, float] = {}
    stages = []
    for number, stage in enumerate(schedule.stages, start=1):
        planned, found = _stage(number, stage, schedule.target, sources, used)
        stages.append(planned)
        notes += found
    return ExportPlan(
        schedule=schedule.name,
        digest=schedule.digest,
        recipe=schedule_table(schedule),
        target=schedule.target,
        catalog=inventory.catalog,
        catalog_hash=inventory.content_hash,
        tokenizer=inventory.tokenizer,
        sources=sources,
        stages=tuple(stages),
        approximations=tuple(notes),
    )


def _source(inventory: Inventory, name: str, shards: Sequence[Shard]) -> Source:
    held = inventory.domain(name)
    documents = sum(shard.documents for shard in shards)
    tokens = sum(shard.tokens for shard in shards)
    if not documents:
        documents, tokens = held.documents, held.sample_tokens
    return Source(
        domain=name,
        schema=held.schema,
        supply_tokens=held.supply_tokens,
        sample_tokens=held.sample_tokens,
        document_tokens=tokens / documents if documents else 0.0,
        shards=tuple(shard.path for shard in shards),
        content_hash=held.content_hash,
    )


def _stage(
    number: int,
    stage: Stage,
    target: TargetRun,
    sources: Mapping[str, Source],
    used: dict[str, float],
) -> tuple[PlannedStage, list[str]]:
    """Plan one stage; adds its epochs to `used`."""
    batch = max(1, round(target.batch_tokens / stage.context_tokens))
    step_tokens = batch * stage.context_tokens
    steps = max(1, round(stage.tokens / step_tokens))
    before = dict(used)
    domains = stage.curve.domains
    cuts = cut(stage.curve, domains, steps)
    pieces = []
    for position, found in enumerate(cuts, start=1):
        pieces.append(_piece(position, found, domains, step_tokens, sources, used))
        for part in pieces[-1].parts:
            used[part.domain] = used.get(part.domain, 0.0) + part.epochs
    rate, clipped = _rate(stage, target, steps)
    planned = PlannedStage(
        number=number,
        name=stage.name,
        kind=stage.kind,
        context_tokens=stage.context_tokens,
        batch_sequences=batch,
        steps=steps,
        tokens=steps * step_tokens,
        sequences=steps * batch,
        rate=rate,
        pieces=tuple(pieces),
        parts=_whole(pieces, before),
    )
    return planned, _notes_on_stage(stage, planned, target) + clipped


def _piece(
    number: int,
    found: Cut,
    domains: tuple[str, ...],
    step_tokens: int,
    sources: Mapping[str, Source],
    used: Mapping[str, float],
) -> Piece:
    tokens = found.steps * step_tokens
    counts = simplex.apportion(found.weights, tokens)
    parts = tuple(
        Part(
            domain=name,
            weight=float(weight),
            tokens=int(count),
            epochs=int(count) / max(sources[name].supply_tokens, 1),
            epochs_before=used.get(name, 0.0),
        )
        for name, weight, count in zip(domains, found.weights, counts, strict=True)
        if weight > 0
    )
    return Piece(
        number=number, steps=found.steps, tokens=tokens, distance=found.distance, parts=parts
    )


def _whole(pieces: Sequence[Piece], before: Mapping[str, float]) -> tuple[Part, ...]:
    tokens: dict[str, int] = {}
    epochs: dict[str, float] = {}
    for piece in pieces:
        for part in piece.parts:
            tokens[part.domain] = tokens.get(part.domain, 0) + part.tokens
            epochs[part.domain] = epochs.get(part.domain, 0.0) + part.epochs
    total = sum(tokens.values())
    return tuple(
        Part(
            domain=name,
            weight=count / total,
            tokens=count,
            epochs=epochs[name],
            epochs_before=before.get(name, 0.0),
        )
        for name, count in tokens.items()
    )


def _rate(stage: Stage, target: TargetRun, steps: int) -> tuple[Rate, list[str]]:
    shape = stage.learning_rate
    base = target.learning_rate if stage.kind == "lm" else target.sft_learning_rate
    warmup = min(round(shape.warmup * steps), steps - 1)
    decay = min(round(shape.decay * steps), steps - warmup)
    notes = []
    if shape.warmup + shape.decay > 1 + 1e-9:
        notes.append(
            f"stage '{stage.name}': warmup and decay overlap; the decay is cut to {decay} steps."
        )
    peak = base * shape.peak
    rate = Rate(
        start=0.0 if warmup else peak,
        peak=peak,
        end=peak * shape.floor if decay else peak,
        warmup_steps=warmup,
        decay_steps=decay,
        shape=shape.shape,
    )
    return rate, notes


def _notes_on_tokenizer(schedule: Schedule, inventory: Inventory) -> list[str]:
    if schedule.target.tokenizer == inventory.tokenizer:
        return []
    return [
        (
            f"tokens are counted with '{inventory.tokenizer}', the target trains with "
            f"'{schedule.target.tokenizer}': shares and epochs move as the two differ per domain."
        )
    ]


def _notes_on_stage(stage: Stage, planned: PlannedStage, target: TargetRun) -> list[str]:
    where = f"stage '{stage.name}'"
    notes = []
    step_tokens = planned.batch_sequences * planned.context_tokens
    if step_tokens != target.batch_tokens:
        notes.append(
            f"{where}: a step is {planned.batch_sequences} sequences of {planned.context_tokens} "
            f"= {step_tokens:,} tokens; the schedule asks for {target.batch_tokens:,}."
        )
    if planned.tokens != stage.tokens:
        notes.append(
            f"{where}: {planned.steps:,} whole steps are {planned.tokens:,} tokens; the schedule "
            f"asks for {stage.tokens:,} ({planned.tokens / stage.tokens - 1:+.2%})."
        )
    if len(planned.pieces) > 1:
        distance = sum(p.distance * p.steps for p in planned.pieces) / planned.steps
        notes.append(
            f"{where}: the {stage.curve.shape} mixture is held constant in {len(planned.pieces)} "
            f"pieces; mean total-variation distance to the curve {distance:.4f}."
        )
    return notes
