"""Reinforcement stages for TRL: a config of `trl grpo`, and an exact reward to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from mixopt.errors import ExportError
from mixopt.export.context import ExportContext, Reading
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.trl_answers import Layout, answers_file, read_answers, save, write_answers
from mixopt.export.trl_settings import step_tokens
from mixopt.schedule.practice import Reinforcement

SCRIPT = "rewards.py"
_REWARD = "rewards.exact"
_PROMPT_SHARE = 0.25  # of the context that is kept for the prompt
_LAYOUT = Layout(row_sequences=1, length_key="vllm_max_model_length", columns=("prompt", "answer"))


def write_reward_script(folder: Path) -> Path:
    """Write the module with the reward that the configs name."""
    text = files("mixopt.export").joinpath("scripts", f"{SCRIPT}.txt").read_text(encoding="utf-8")
    path = folder / SCRIPT
    path.write_text(text, encoding="utf-8")
    return path


def write_rewards(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> tuple[Path, list[str]]:
    """Write the config of one stage; returns its path and what it cannot express.

    The loss is the mean over an answer's own tokens (Shao et al. 2024, "DeepSeekMath", equation 3),
    which TRL calls `grpo`.
    """
    own = _own(stage)
    path = save(stage, folder, write_answers(stage, plan, context, _LAYOUT, own))
    return path, _notes(stage, _practice(stage), context)


def read_rewards(
    stage: PlannedStage, plan: ExportPlan, folder: Path, context: ExportContext
) -> list[Reading]:
    """Return what TRL would train on: one sequence an answer.

    Raises:
        ExportError: the config is none of the stage, has another loss, or splits groups of answers.
    """
    config, reading = read_answers(stage, plan, folder, context, _LAYOUT)
    wanted = _own(stage)
    found = {key: config.get(key) for key in wanted}
    if found != wanted:
        message = f"{reading.file}: TRL would sample or learn in another way"
        raise ExportError(message, why=f"Planned {wanted}, found {found}.")
    answers = step_tokens(config, 1, context)
    if answers % wanted["num_generations"]:
        message = f"{reading.file}: a step has to hold whole groups of answers to a prompt"
        raise ExportError(
            message, why=f"It has {answers}, {wanted['num_generations']} to a prompt."
        )
    return [reading]


def _own(stage: PlannedStage) -> dict[str, Any]:
    practice = _practice(stage)
    return {
        "num_generations": practice.samples,
        "temperature": practice.temperature,
        "max_completion_length": stage.context_tokens - round(_PROMPT_SHARE * stage.context_tokens),
        "vllm_max_model_length": stage.context_tokens,
        "loss_type": "grpo",
        "beta": practice.divergence,
        "epsilon": practice.clip,
        "scale_rewards": "group" if practice.scaled else "none",
        "reward_funcs": [_REWARD],
    }


def _practice(stage: PlannedStage) -> Reinforcement:
    assert isinstance(stage.practice, Reinforcement)
    return stage.practice


def _notes(stage: PlannedStage, practice: Reinforcement, context: ExportContext) -> list[str]:
    where = f"stage '{stage.name}'"
    prompts = stage.batch_sequences // practice.samples
    notes = [
        (
            f"{where}: a step has {prompts:,} prompts with {practice.samples} answers each, from "
            f"`{answers_file(stage, context)}`. Its tokens are those of full sequences; a quarter of the "
            "context is kept for the prompt, and answers that end sooner make a step cheaper."
        )
    ]
    if practice.process:
        notes.append(
            f"{where}: TRL rewards whole answers; rewards of single tokens by how much they move the "
            "chance of success are left out."
        )
    return notes
