"""What every config for transformers' Trainer shares: files, batch, learning rate, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from mixopt import seeds
from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, stage_stem
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.schedule.rate import Decay

_DECAY: Final[Mapping[Decay, str]] = {"linear": "linear", "cosine": "cosine", "sqrt": "1-sqrt"}
_PATTERN_MARKS: Final = ("*", "?", "[", "]", "::")


def training(
    stage: PlannedStage, plan: ExportPlan, context: ExportContext, row_sequences: int = 1
) -> dict[str, Any]:
    """Return the training arguments of a stage.

    Args:
        stage: what is trained.
        plan: all stages.
        context: folders, seed and devices.
        row_sequences: sequences in one row of a batch; 2 for pairs.

    Raises:
        ExportError: the batch cannot be split evenly over the devices.
    """
    rows = stage.batch_sequences // row_sequences
    if context.devices < 1 or rows % context.devices:
        message = f"stage '{stage.name}': {context.devices} devices cannot share a batch evenly"
        raise ExportError(
            message,
            why=f"A step is {rows} rows of {row_sequences} sequence(s).",
            remedy="Choose a number of devices that divides it, or another batch_tokens.",
        )
    return {
        "output_dir": str(checkpoint_folder(stage, context)),
        "max_steps": stage.steps,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": rows // context.devices,
        "learning_rate": stage.rate.peak,
        **_rate(stage),
        "seed": seeds.derive(context.seed, "trl", plan.digest, stage.name) % 2**31,
    }


def model(stage: PlannedStage, plan: ExportPlan, context: ExportContext) -> str:
    """Return where a stage finds its model: what the stage before it saved, or `model` at first."""
    if stage.number == 1:
        return str(context.run_folder / "model")
    return str(checkpoint_folder(plan.stages[stage.number - 2], context))


def checkpoint_folder(stage: PlannedStage, context: ExportContext) -> Path:
    """Return where a stage saves its model."""
    return context.run_folder / "checkpoints" / "trl" / stage_stem(stage)


def documents(domain: str, context: ExportContext) -> str:
    """Return the JSONL file of a domain, as `load_dataset` takes it.

    Raises:
        ExportError: the path would be read as a pattern.
    """
    return checked(context.documents(domain))


def checked(file: Path) -> str:
    """Return a path as `load_dataset` takes it.

    Raises:
        ExportError: the path would be read as a pattern.
    """
    path = str(file)
    if any(mark in path for mark in _PATTERN_MARKS):
        message = f"`datasets` would read this path as a pattern: {path}"
        raise ExportError(
            message, remedy=f"Choose a folder without any of {' '.join(_PATTERN_MARKS)}"
        )
    return path


def check_lengths(stage: PlannedStage, plan: ExportPlan) -> None:
    """Raise unless the mean document length of every domain of a stage is known.

    Raises:
        ExportError: the catalog has no document of a domain.
    """
    unknown = [p.domain for p in stage.parts if plan.sources[p.domain].document_tokens <= 0]
    if unknown:
        message = f"domain '{unknown[0]}' has no document in the catalog"
        raise ExportError(
            message,
            why="The target weighs documents, so the mean length in tokens has to be known.",
            remedy="Add a sample of the domain to the catalog and build it again.",
        )


def write_yaml(path: Path, config: Mapping[str, Any], comments: Sequence[str] = ()) -> Path:
    """Write a config after lines of comment; keys stay in order, and any text survives."""
    head = "".join(f"# {line}\n" for line in comments)
    text = head + yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=1000)
    path.write_text(text, encoding="utf-8")
    return path


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a config back.

    Raises:
        ExportError: it is missing or no YAML mapping.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"cannot read {path}"
        raise ExportError(message, why=str(error)) from error
    if not isinstance(config, dict):
        message = f"{path.name} is no mapping"
        raise ExportError(message, why=f"It holds a {type(config).__name__}.")
    return config


def step_tokens(settings: Mapping[str, Any], context_tokens: int, context: ExportContext) -> int:
    """Return the tokens of one optimizer step under some training arguments."""
    rows = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
    return int(rows * context.devices * context_tokens)


def _rate(stage: PlannedStage) -> dict[str, Any]:
    rate = stage.rate
    if not rate.decay_steps:
        return {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": rate.warmup_steps}
    return {
        "lr_scheduler_type": "warmup_stable_decay",
        "lr_scheduler_kwargs": {
            "num_decay_steps": rate.decay_steps,
            "decay_type": _DECAY[rate.shape],
            "min_lr_ratio": rate.end / rate.peak if rate.peak else 0.0,
        },
        "warmup_steps": rate.warmup_steps,
    }
