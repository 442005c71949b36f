"""SFT stages for TRL: a config of `trl sft`, with token shares turned into fractions of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, Reading, stage_stem
from mixopt.export.pieces import exact_shares
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.remarks import comments, shuffled
from mixopt.export.trl_settings import (
    check_lengths,
    documents,
    model,
    read_yaml,
    step_tokens,
    training,
    write_yaml,
)
from mixopt.recipes.quantity import show_quantity

_LEAST_ROWS = 0.5


def write_sft(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> tuple[Path, list[str]]:
    """Write the config of one stage; returns its path and what it cannot express."""
    check_lengths(stage, plan)
    entries = _entries(stage, plan, context)
    fractions = exact_shares(np.array([rows for _, rows in entries]))
    datasets = [
        {
            "path": "json",
            "data_files": documents(domain, context),
            "split": "train",
            "columns": ["messages"],
            "fraction": fraction,
        }
        for (domain, _), fraction in zip(entries, fractions, strict=True)
        if fraction > 0
    ]
    config: dict[str, Any] = {
        "model_name_or_path": model(stage, plan, context),
        **training(stage, plan, context),
        "max_length": stage.context_tokens,
        "packing": True,
        "packing_strategy": "bfd_split",
        "assistant_only_loss": True,
        "datasets": datasets,
    }
    path = write_yaml(folder / f"{stage_stem(stage)}.yaml", config, comments(stage))
    return path, _notes(stage, plan, context)


def read_sft(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> list[Reading]:
    """Return what TRL would draw: the first `round(fraction x total)` rows of every entry.

    `total` is the largest mixture in which no entry needs more rows than its file has.

    Raises:
        ExportError: the config is not one that keeps the shares.
    """
    name = f"{stage_stem(stage)}.yaml"
    config = read_yaml(folder / name)
    domains = {documents(part.domain, context): part.domain for part in stage.parts}
    try:
        entries = [
            (domains[entry["data_files"]], float(entry["fraction"])) for entry in config["datasets"]
        ]
        tokens = int(config["max_steps"]) * step_tokens(config, config["max_length"], context)
        strategy = config["packing_strategy"]
    except (KeyError, TypeError, ValueError) as error:
        message = f"{name} is no config of stage '{stage.name}'"
        raise ExportError(message, why=f"{type(error).__name__}: {error}") from error
    if strategy == "bfd":
        message = f"{name}: packing strategy 'bfd' cuts long conversations off"
        raise ExportError(message, why="Shares of tokens would not be kept.")
    return [
        Reading(
            stage=stage.name,
            piece=0,
            file=name,
            tokens=tokens,
            shares=_drawn(entries, plan, context),
        )
    ]


def _entries(
    stage: PlannedStage, plan: ExportPlan, context: ExportContext
) -> list[tuple[str, float]]:
    """Return (domain, rows) of every entry; a repeated domain gets one entry per epoch.

    TRL never takes a row of an entry twice, so a domain of 2.5 epochs is listed three times: twice
    with all of its rows and once with the first half.
    """
    entries: list[tuple[str, float]] = []
    for part in stage.parts:
        wanted = part.tokens / plan.sources[part.domain].document_tokens
        held = context.rows_of(plan, part.domain)
        if wanted > 0 and held < 1:
            message = f"domain '{part.domain}' has no document to train on"
            raise ExportError(message, why=f"Stage '{stage.name}' needs {wanted:,.0f} rows of it.")
        while wanted > held:
            entries.append((part.domain, float(held)))
            wanted -= held
        if wanted >= _LEAST_ROWS:
            entries.append((part.domain, wanted))
    if not entries:
        message = f"stage '{stage.name}' is shorter than one document of every domain"
        raise ExportError(message, why=f"It has {stage.tokens:,} tokens.")
    return entries


def _drawn(
    entries: list[tuple[str, float]], plan: ExportPlan, context: ExportContext
) -> dict[str, float]:
    scale = sum(fraction for _, fraction in entries)
    total = min(context.rows_of(plan, name) * scale / f for name, f in entries if f > 0)
    tokens: dict[str, float] = {}
    for name, fraction in entries:
        rows = round(fraction / scale * total)
        tokens[name] = tokens.get(name, 0.0) + rows * plan.sources[name].document_tokens
    whole = sum(tokens.values())
    return {name: count / whole for name, count in tokens.items()}


def _notes(stage: PlannedStage, plan: ExportPlan, context: ExportContext) -> list[str]:
    where = f"stage '{stage.name}'"
    notes = shuffled(stage, "TRL")
    if len(stage.pieces) > 1:
        distance = _distance(stage)
        notes.append(
            f"{where}: TRL has one mixture per run; the stage's mean is written, at a mean "
            f"total-variation distance of {distance:.4f} from its pieces."
        )
    for part in stage.parts:
        source = plan.sources[part.domain]
        if part.tokens / source.document_tokens > context.rows_of(plan, part.domain):
            notes.append(
                f"{where}: '{part.domain}' is listed once per epoch, "
                f"{show_quantity(part.tokens)} tokens from "
                f"{context.rows_of(plan, part.domain):,} rows."
            )
        if part.epochs_before > 0:
            notes.append(
                f"{where}: TRL keeps the first rows of a file, so '{part.domain}' starts again at "
                "the rows that earlier stages have seen."
            )
    return notes


def _distance(stage: PlannedStage) -> float:
    mean = {part.domain: part.weight for part in stage.parts}
    total = 0.0
    for piece in stage.pieces:
        held = {part.domain: part.weight for part in piece.parts}
        gaps = sum(abs(held.get(name, 0.0) - weight) for name, weight in mean.items())
        total += piece.tokens * gaps / 2
    return total / stage.tokens
