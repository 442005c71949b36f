"""Text stages for `datasets` and transformers' Trainer: row probabilities, and the script to run."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mixopt import seeds
from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, Reading, stage_stem
from mixopt.export.pieces import exact_shares
from mixopt.export.planned import ExportPlan, Part, Piece, PlannedStage
from mixopt.export.remarks import comments, ordering_text
from mixopt.export.trl_settings import (
    check_lengths,
    documents,
    model,
    read_yaml,
    step_tokens,
    training,
    write_yaml,
)

SCRIPT = "interleave.py"
_STRATEGY = "all_exhausted_without_replacement"


def write_script(folder: Path) -> Path:
    """Write the script that reads the configs; it needs `datasets` and `transformers` only."""
    text = files("mixopt.export").joinpath("scripts", f"{SCRIPT}.txt").read_text(encoding="utf-8")
    path = folder / SCRIPT
    path.write_text(text, encoding="utf-8")
    return path


def write_lm(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> tuple[Path, list[str]]:
    """Write the config of one stage; returns its path and what it cannot express."""
    check_lengths(stage, plan)
    config: dict[str, Any] = {
        "stage": stage.name,
        "model": model(stage, plan, context),
        "context_tokens": stage.context_tokens,
        "rope_base": stage.rope_base,
        "packing": stage.packing,
        "ordering": asdict(stage.ordering) if stage.ordering is not None else None,
        "shuffle_seed": seeds.derive(context.seed, "trl-documents", plan.digest) % 2**31,
        "pieces": [_piece(stage, piece, plan, context) for piece in stage.pieces],
        "training": {
            **training(stage, plan, context),
            "train_sampling_strategy": "sequential",
            "bf16": True,
        },
    }
    path = write_yaml(folder / f"{stage_stem(stage)}.yaml", config, comments(stage))
    notes = []
    if stage.ordering is not None:
        notes.append(
            f"stage '{stage.name}': whole documents are put in order, {ordering_text(stage.ordering)}; "
            "proxies order sequences."
        )
    if stage.number > 1:
        notes.append(
            f"stage '{stage.name}' is a run of its own: weights go on, the optimizer starts anew."
        )
    return path, notes


def read_lm(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> list[Reading]:
    """Return what `datasets.interleave_datasets` would draw, twice per piece.

    With the stopping strategy that is written, a piece holds each source's rows once; on the way,
    sources are drawn with the probabilities. Both have to give the mixture.

    Raises:
        ExportError: the config is not one that `datasets` takes, or it would lose the order.
    """
    name = f"{stage_stem(stage)}.yaml"
    config = read_yaml(folder / name)
    try:
        settings = config["training"]
        total = int(settings["max_steps"]) * step_tokens(
            settings, config["context_tokens"], context
        )
        if settings["train_sampling_strategy"] != "sequential":
            message = f"{name}: the Trainer would shuffle rows across the pieces of the stage"
            raise ExportError(message, remedy="Set train_sampling_strategy to sequential.")
        drawn = [_rows(piece, name) for piece in config["pieces"]]
    except (KeyError, TypeError, ValueError) as error:
        message = f"{name} is no config of stage '{stage.name}'"
        raise ExportError(message, why=f"{type(error).__name__}: {error}") from error
    lengths = {key: source.document_tokens for key, source in plan.sources.items()}
    return _readings(stage, name, total, drawn, lengths)


Draws = tuple[dict[str, float], dict[str, float]]  # rows and probabilities per domain


def _piece(
    stage: PlannedStage, piece: Piece, plan: ExportPlan, context: ExportContext
) -> dict[str, Any]:
    counted = [(part, _num_rows(part.tokens, part, plan)) for part in piece.parts]
    kept = [(part, rows) for part, rows in counted if rows > 0]
    if not kept:
        message = f"stage '{stage.name}' has a piece shorter than one document"
        raise ExportError(message, why=f"Piece {piece.number} has {piece.tokens:,} tokens.")
    lengths = {part.domain: plan.sources[part.domain].document_tokens for part, _ in kept}
    drawn = np.array([part.tokens / lengths[part.domain] for part, _ in kept])
    probabilities = exact_shares(drawn / drawn.sum())
    sources = [
        {
            "domain": part.domain,
            "file": documents(part.domain, context),
            "probability": probability,
            "rows": rows,
            "skip": _num_rows(part.epochs_before * _supply(part, plan), part, plan),
        }
        for (part, rows), probability in zip(kept, probabilities, strict=True)
    ]
    return {
        "tokens": piece.tokens,
        "seed": seeds.derive(context.seed, "trl", plan.digest, stage.name, piece.number) % 2**31,
        "stopping_strategy": _STRATEGY,
        "sources": sources,
    }


def _num_rows(tokens: float, part: Part, plan: ExportPlan) -> int:
    return round(tokens / plan.sources[part.domain].document_tokens)


def _supply(part: Part, plan: ExportPlan) -> int:
    return plan.sources[part.domain].supply_tokens


def _rows(piece: dict[str, Any], name: str) -> Draws:
    sources = piece["sources"]
    probabilities = {source["domain"]: float(source["probability"]) for source in sources}
    rows = {source["domain"]: float(source["rows"]) for source in sources}
    if abs(sum(probabilities.values()) - 1) > 1e-9 or min(probabilities.values()) <= 0:
        message = f"{name}: `datasets` takes positive probabilities with sum 1"
        raise ExportError(message, why=f"Found {probabilities}.")
    if piece["stopping_strategy"] != _STRATEGY:
        message = f"{name}: only '{_STRATEGY}' draws the rows that are planned"
        raise ExportError(message, why=f"Found '{piece['stopping_strategy']}'.")
    return rows, probabilities


def _readings(
    stage: PlannedStage, file: str, total: int, drawn: list[Draws], lengths: dict[str, float]
) -> list[Reading]:
    sizes = [sum(n * lengths[name] for name, n in rows.items()) for rows, _ in drawn]
    readings = []
    for number, (draws, size) in enumerate(zip(drawn, sizes, strict=True), start=1):
        for counts in draws:
            whole = sum(count * lengths[name] for name, count in counts.items())
            shares = {name: count * lengths[name] / whole for name, count in counts.items()}
            tokens = total * size / sum(sizes)
            readings.append(
                Reading(stage=stage.name, piece=number, file=file, tokens=tokens, shares=shares)
            )
    return readings
