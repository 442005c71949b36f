"""Preference stages for TRL: a config of `trl dpo` whose loss is the plan's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, Reading
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.trl_answers import Layout, answers_file, read_answers, save, write_answers
from mixopt.schedule.practice import Judged, Pivotal

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat template that adds nothing: TRL closes a chosen text with an end-of-text token otherwise."""

_SIDES = ("prompt", "chosen", "rejected")


def write_preferences(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> tuple[Path, list[str]]:
    """Write the config of one stage; returns its path and what it cannot express.

    The reference is the model that the stage starts from: TRL loads `model_name_or_path` twice.
    """
    practice = _practice(stage)
    own = {"max_length": stage.context_tokens, "beta": practice.beta, **_loss(practice)}
    path = save(stage, folder, write_answers(stage, plan, context, _layout(practice), own))
    return path, _notes(stage, practice, context)


def read_preferences(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> list[Reading]:
    """Return what TRL would train on: two sequences a pair.

    Raises:
        ExportError: the config is none of the stage, or has another loss.
    """
    practice = _practice(stage)
    config, reading = read_answers(stage, plan, folder, context, _layout(practice))
    wanted = {"beta": practice.beta, **_loss(practice)}
    found = {key: config.get(key) for key in wanted}
    if found != wanted:
        message = f"{reading.file}: TRL would minimize another loss"
        raise ExportError(message, why=f"Planned {wanted}, found {found}.")
    if "aot" in config["loss_type"] and config["per_device_train_batch_size"] != 1:
        message = f"{reading.file}: TRL would mix the pairs of a batch up"
        raise ExportError(
            message,
            why="Its loss 'aot' sorts a batch; it is the smoothed loss of a pair for batches of 1.",
        )
    return [reading]


def _practice(stage: PlannedStage) -> Pivotal | Judged:
    assert isinstance(stage.practice, Pivotal | Judged)
    return stage.practice


def _layout(practice: Pivotal | Judged) -> Layout:
    columns = (*_SIDES, "chat_template_kwargs") if practice.method == "pivotal" else _SIDES
    return Layout(row_sequences=2, length_key="max_length", columns=columns)


def _loss(practice: Pivotal | Judged) -> dict[str, Any]:
    """Return the keys of the loss.

    TRL's `sigmoid` takes no label smoothing, and its `robust` is another loss; `aot` is the smoothed
    sigmoid of sorted batches, so of a batch with one pair.
    """
    normalized = isinstance(practice, Judged) and practice.normalized
    smoothing = practice.label_smoothing if isinstance(practice, Judged) else 0.0
    main = "sigmoid_norm" if normalized else "aot" if smoothing else "sigmoid"
    keys: dict[str, Any] = {"loss_type": [main]}
    if practice.anchor:
        keys = {"loss_type": [main, "sft"], "loss_weights": [1.0, practice.anchor]}
    if main == "aot":
        keys["label_smoothing"] = smoothing
    return keys


def _notes(stage: PlannedStage, practice: Pivotal | Judged, context: ExportContext) -> list[str]:
    where = f"stage '{stage.name}'"
    notes = [
        (
            f"{where}: its pairs come from answers of the model that it starts from; make them into "
            f"`{answers_file(stage, context)}` first. A pair counts as two sequences of the plan, and "
            "is cut off behind `max_length` tokens."
        )
    ]
    if isinstance(practice, Judged) and practice.normalized and practice.label_smoothing:
        notes.append(
            f"{where}: TRL cannot smooth labels of a loss that is normalized by length; the smoothing of "
            f"{practice.label_smoothing:g} is left out."
        )
    return notes
