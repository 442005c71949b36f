"""The parts of an export's README: tables of the plan, repeated domains and the data to prepare."""

from __future__ import annotations

from collections.abc import Sequence

from mixopt.export.planned import ExportPlan, PlannedStage, Rate
from mixopt.recipes.quantity import show_quantity
from mixopt.schedule.schedule import StageKind


def stages_table(stages: Sequence[PlannedStage]) -> list[str]:
    """Return one line per stage: what it trains on and at which rate."""
    lines = [
        "| stage | kind | tokens | steps | sequences per step | context | learning rate |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {cell(stage.name)} | {stage.kind} | {show_quantity(stage.tokens)} | {stage.steps} "
        f"| {stage.batch_sequences} | {stage.context_tokens} | {_rate(stage.rate)} |"
        for stage in stages
    ]
    return lines


def mixture_table(stages: Sequence[PlannedStage]) -> list[str]:
    """Return one line per stage and domain: its tokens, share and epochs."""
    lines = [
        "| stage | domain | share of tokens | tokens | epochs | epochs with all before |",
        "|---|---|---|---|---|---|",
    ]
    for stage in stages:
        lines += [
            f"| {cell(stage.name)} | {cell(part.domain)} | {part.weight:.4f} "
            f"| {show_quantity(part.tokens)} | {part.epochs:.3f} "
            f"| {part.epochs_before + part.epochs:.3f} |"
            for part in stage.parts
        ]
    return lines


def repeated(plan: ExportPlan, kinds: Sequence[StageKind]) -> list[str]:
    """Return one line per domain that the stages of some kinds see more than once."""
    epochs: dict[str, float] = {}
    for stage in (stage for stage in plan.stages if stage.kind in kinds):
        for part in stage.parts:
            epochs[part.domain] = epochs.get(part.domain, 0.0) + part.epochs
    return [
        f"domain '{name}' is repeated: {count:.2f} epochs of "
        f"{show_quantity(plan.sources[name].supply_tokens)} tokens."
        for name, count in epochs.items()
        if count > 1 + 1e-9
    ]


def bullets(lines: Sequence[str], nothing: str) -> list[str]:
    """Return a list, or one line that says that there is nothing."""
    return [f"- {' '.join(line.split())}" for line in lines] or [nothing]


def cell(text: str) -> str:
    """Return text that stays inside one cell of a table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def shards_table(plan: ExportPlan, domains: Sequence[str]) -> list[str]:
    """Return one line per domain: its files in the catalog and what its documents are like."""
    lines = [
        "| domain | schema | supply | mean document | files in the catalog |",
        "|---|---|---|---|---|",
    ]
    for name in domains:
        source = plan.sources[name]
        files = f"{len(source.shards)}"
        if source.shards:
            files += f": `{cell(source.shards[0])}`{' ...' if source.shards[1:] else ''}"
        lines.append(
            f"| {cell(name)} | {source.schema} | {show_quantity(source.supply_tokens)} "
            f"| {source.document_tokens:.1f} tokens | {files} |"
        )
    return lines


def page(title: str, sections: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a Markdown page."""
    parts = [f"# {title}", ""]
    for heading, lines in sections:
        if heading:
            parts += [f"## {heading}", ""]
        parts += [*lines, ""]
    return "\n".join(parts)


def _rate(rate: Rate) -> str:
    text = f"{rate.peak:g}"
    if rate.warmup_steps:
        text = f"from {rate.start:g} in {rate.warmup_steps} steps to {text}"
    if rate.decay_steps:
        text += f", in the last {rate.decay_steps} to {rate.end:g} ({rate.shape})"
    return text
