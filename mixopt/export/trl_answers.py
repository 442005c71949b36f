"""Stages that learn from the model's own answers in TRL: their data, and what reads their configs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, Reading, stage_stem
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.remarks import comments
from mixopt.export.trl_settings import (
    checked,
    model,
    read_yaml,
    step_tokens,
    training,
    write_yaml,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a config of one kind of stage counts.

    Attributes:
        row_sequences: sequences in a row of a batch.
        length_key: the key that holds the length of a sequence in tokens.
        columns: of the file of answers.
    """

    row_sequences: int
    length_key: str
    columns: tuple[str, ...]


def answers_file(stage: PlannedStage, context: ExportContext) -> str:
    """Return the JSONL file that the user makes for a stage from the model that it starts from.

    Raises:
        ExportError: `datasets` would read the path as a pattern.
    """
    return checked(context.run_folder / "answers" / f"{stage_stem(stage)}.jsonl")


def write_answers(
    stage: PlannedStage,
    plan: ExportPlan,
    context: ExportContext,
    layout: Layout,
    own: dict[str, Any],
) -> dict[str, Any]:
    """Return the config of a stage: what all share, what is its own, and its file of answers."""
    return {
        "model_name_or_path": model(stage, plan, context),
        **training(stage, plan, context, layout.row_sequences),
        **own,
        "datasets": [
            {
                "path": "json",
                "data_files": answers_file(stage, context),
                "split": "train",
                "columns": list(layout.columns),
            }
        ],
    }


def save(stage: PlannedStage, folder: Path, config: dict[str, Any]) -> Path:
    """Write the config of a stage."""
    return write_yaml(folder / f"{stage_stem(stage)}.yaml", config, comments(stage))


def read_answers(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext, layout: Layout
) -> tuple[dict[str, Any], Reading]:
    """Return a config and how many tokens TRL would train on under it; no domain has a share.

    Raises:
        ExportError: the config is none of the stage, reads another file or starts from another model.
    """
    name = f"{stage_stem(stage)}.yaml"
    config = read_yaml(folder / name)
    try:
        tokens = int(config["max_steps"]) * step_tokens(config, config[layout.length_key], context)
        files = [(entry["data_files"], tuple(entry["columns"])) for entry in config["datasets"]]
    except (KeyError, TypeError, ValueError) as error:
        message = f"{name} is no config of stage '{stage.name}'"
        raise ExportError(message, why=f"{type(error).__name__}: {error}") from error
    if files != [(answers_file(stage, context), layout.columns)]:
        message = f"{name}: stage '{stage.name}' learns from its own file of answers alone"
        raise ExportError(message, why=f"It reads {files}.")
    if config.get("model_name_or_path") != model(stage, plan, context):
        message = f"{name}: stage '{stage.name}' starts from the model of the stage before"
        raise ExportError(message, why=f"It loads {config.get('model_name_or_path')!r}.")
    reading = Reading(
        stage=stage.name, piece=0, file=name, tokens=tokens * layout.row_sequences, shares={}
    )
    return config, reading


_ACCEPTED = Layout(row_sequences=1, length_key="max_length", columns=("messages",))


def write_accepted(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> tuple[Path, list[str]]:
    """Write the config of a stage that fine-tunes on accepted answers; returns it and its notes."""
    own = {
        "max_length": stage.context_tokens,
        "packing": True,
        "packing_strategy": "bfd_split",
        "assistant_only_loss": True,
    }
    path = save(stage, folder, write_answers(stage, plan, context, _ACCEPTED, own))
    note = (
        f"stage '{stage.name}': its data are answers of the model itself that a verifier accepts; "
        f"sample them from the model of the stage before, into `{answers_file(stage, context)}`."
    )
    return path, [note]


def read_accepted(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> list[Reading]:
    """Return what TRL would train on.

    Raises:
        ExportError: the config is none of the stage, or cuts answers off.
    """
    config, reading = read_answers(stage, plan, folder, context, _ACCEPTED)
    if config.get("packing_strategy") == "bfd":
        message = f"{reading.file}: packing strategy 'bfd' cuts long conversations off"
        raise ExportError(message, remedy="Set it to bfd_split.")
    return [reading]
