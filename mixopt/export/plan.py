"""Laying out a schedule at the target: what every exporter derives its files from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mixopt.catalog.inventory import Inventory, Shard
from mixopt.export import remarks
from mixopt.export.extents import Extent, lay_extents
from mixopt.export.pieces import Cut, cut
from mixopt.export.planned import ExportPlan, Part, Piece, PlannedStage, Source
from mixopt.export.rates import plan_rate
from mixopt.schedule import simplex
from mixopt.schedule.schedule import Schedule, Stage, TargetRun
from mixopt.schedule.write import schedule_table


def make_export_plan(
    schedule: Schedule,
    inventory: Inventory,
    shards: Mapping[str, Sequence[Shard]],
    fired: Mapping[str, float] | None = None,
) -> ExportPlan:
    """Lay out a schedule at the target's scale.

    A step has the whole number of sequences nearest to `batch_tokens`, in whole pairs for `dpo` and
    whole groups of answers for `rl`; a stage has the whole number of such steps nearest to its tokens,
    and at least one.

    Args:
        schedule: what the target is to train.
        inventory: what the catalog holds.
        shards: the files of every domain of the schedule.
        fired: stage -> share of the tokens of the stage and the one before after which its gate opened.

    Raises:
        NotFoundError: the catalog has no domain of that name.
        ExportError: `fired` names a stage without a gate, or a share that is none.
    """
    sources = {
        name: _source(inventory, name, shards.get(name, ())) for name in sorted(schedule.dose())
    }
    notes = _notes_on_tokenizer(schedule, inventory)
    used: dict[str, float] = {}
    bases = _rope_bases(schedule)
    stages = []
    for number, extent in enumerate(lay_extents(schedule, fired or {}), start=1):
        planned, found = _stage(number, extent, schedule.target, sources, used)
        stages.append(replace(planned, rope_base=bases[number - 1]))
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


def _rope_bases(schedule: Schedule) -> list[float | None]:
    """Return the rotary base in force in every stage; None where the schedule changes it nowhere."""
    if all(stage.rope_base is None for stage in schedule.stages):
        return [None] * len(schedule.stages)
    found: list[float | None] = []
    base = schedule.target.rope_base
    for stage in schedule.stages:
        base = stage.rope_base or base
        found.append(base)
    return found


def _stage(
    number: int,
    extent: Extent,
    target: TargetRun,
    sources: Mapping[str, Source],
    used: dict[str, float],
) -> tuple[PlannedStage, list[str]]:
    """Plan one stage; adds its epochs to `used`."""
    stage, batch = extent.stage, _batch_sequences(extent.stage, target)
    step_tokens = batch * stage.context_tokens
    steps = max(1, round(extent.tokens / step_tokens))
    span = max(steps, round(extent.span_tokens / step_tokens))
    before = dict(used)
    pieces = _pieces(stage, (steps, span), step_tokens, sources, used)
    rate, clipped = plan_rate(stage, target, steps, span)
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
        packing=stage.packing,
        ordering=stage.ordering,
        gate=extent.gate,
        online=stage.online,
        practice=stage.practice,
    )
    return planned, _notes_on_stage(extent, planned, target) + clipped


def _batch_sequences(stage: Stage, target: TargetRun) -> int:
    """Return the sequences of a step: whole pairs for `dpo`, whole groups of answers for `rl`."""
    unit = 2 if stage.kind == "dpo" else 1
    if stage.kind == "rl" and stage.practice is not None:
        unit = stage.practice.samples
    return unit * max(1, round(target.batch_tokens / stage.context_tokens / unit))


def _pieces(
    stage: Stage,
    steps_and_span: tuple[int, int],
    step_tokens: int,
    sources: Mapping[str, Source],
    used: dict[str, float],
) -> list[Piece]:
    """Plan the mixture of one stage, none without a domain; adds its epochs to `used`."""
    domains = stage.curve.domains
    cuts = cut(stage.curve, domains, *steps_and_span) if domains else []
    pieces = []
    for position, found in enumerate(cuts, start=1):
        pieces.append(_piece(position, found, domains, step_tokens, sources, used))
        for part in pieces[-1].parts:
            used[part.domain] = used.get(part.domain, 0.0) + part.epochs
    return pieces


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


def _notes_on_tokenizer(schedule: Schedule, inventory: Inventory) -> list[str]:
    if schedule.target.tokenizer == inventory.tokenizer:
        return []
    return [
        (
            f"tokens are counted with '{inventory.tokenizer}', the target trains with "
            f"'{schedule.target.tokenizer}': shares and epochs move as the two differ per domain."
        )
    ]


def _notes_on_stage(extent: Extent, planned: PlannedStage, target: TargetRun) -> list[str]:
    where = f"stage '{planned.name}'"
    notes = remarks.notes(planned)
    step_tokens = planned.batch_sequences * planned.context_tokens
    if step_tokens != target.batch_tokens:
        notes.append(
            f"{where}: a step is {planned.batch_sequences} sequences of {planned.context_tokens} "
            f"= {step_tokens:,} tokens; the schedule asks for {target.batch_tokens:,}."
        )
    if planned.tokens != extent.tokens:
        notes.append(
            f"{where}: {planned.steps:,} whole steps are {planned.tokens:,} tokens; the schedule "
            f"asks for {extent.tokens:,} ({planned.tokens / extent.tokens - 1:+.2%})."
        )
    if len(planned.pieces) > 1:
        distance = sum(p.distance * p.steps for p in planned.pieces) / planned.steps
        notes.append(
            f"{where}: the {extent.stage.curve.shape} mixture is held constant in {len(planned.pieces)} "
            f"pieces; mean total-variation distance to the curve {distance:.4f}."
        )
    return notes
