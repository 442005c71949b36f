"""TRL and `datasets`: one YAML per stage; their weights are shares of rows, not of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from mixopt.export import readme
from mixopt.export.context import ExportContext, Reading, Unit, Written
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.trl_answers import read_accepted, write_accepted
from mixopt.export.trl_lm import read_lm, write_lm, write_script
from mixopt.export.trl_preferences import read_preferences, write_preferences
from mixopt.export.trl_readme import write_readme
from mixopt.export.trl_rewards import read_rewards, write_reward_script, write_rewards
from mixopt.export.trl_sft import read_sft, write_sft
from mixopt.schedule.schedule import StageKind

_Writer = Callable[[PlannedStage, ExportPlan, Path, ExportContext], tuple[Path, list[str]]]
_Reader = Callable[[PlannedStage, ExportPlan, Path, ExportContext], list[Reading]]
_Form = Literal["documents", "conversations", "accepted", "preferences", "rewards"]

_FORMS: Final[dict[_Form, tuple[_Writer, _Reader]]] = {
    "documents": (write_lm, read_lm),
    "conversations": (write_sft, read_sft),
    "accepted": (write_accepted, read_accepted),
    "preferences": (write_preferences, read_preferences),
    "rewards": (write_rewards, read_rewards),
}


@dataclass(frozen=True, slots=True)
class Trl:
    """The target TRL for SFT, DPO and GRPO, with a script over `datasets` for text stages."""

    name: ClassVar[str] = "trl"
    description: ClassVar[str] = "TRL and datasets: one YAML per stage, and a script for text"
    unit: ClassVar[Unit] = "rows"
    kinds: ClassVar[tuple[StageKind, ...]] = ("lm", "sft", "dpo", "rl")
    written_for: ClassVar[str] = "TRL 1.8 or later, datasets 4.2 or later, transformers 5"

    def write(self, plan: ExportPlan, folder: Path, context: ExportContext) -> Written:
        """Write a config per stage, the script for text stages, and a README."""
        paths, notes = [], []
        for stage in plan.stages:
            write, _ = _FORMS[_form(stage)]
            path, found = write(stage, plan, folder, context)
            paths.append(path)
            notes += found + _notes_on_rate(stage)
        if any(stage.kind == "lm" for stage in plan.stages):
            paths.append(write_script(folder))
        if any(stage.kind == "rl" for stage in plan.stages):
            paths.append(write_reward_script(folder))
        notes += readme.repeated(plan, self.kinds)
        page = folder / "README.md"
        final = str(context.export_folder / self.name)
        page.write_text(write_readme(plan, final, context, notes), encoding="utf-8")
        return Written(files=(*paths, page), approximations=tuple(notes))

    def read(self, plan: ExportPlan, folder: Path, context: ExportContext) -> list[Reading]:
        """Return what `datasets` and TRL would draw from the written files.

        Raises:
            ExportError: they would refuse a file, or lose the shares or the order.
        """
        found: list[Reading] = []
        for stage in plan.stages:
            _, read = _FORMS[_form(stage)]
            found += read(stage, plan, folder, context)
        return found


def _form(stage: PlannedStage) -> _Form:
    """Return what a stage learns from."""
    if stage.kind == "lm":
        return "documents"
    if stage.kind == "sft":
        return "conversations" if stage.practice is None else "accepted"
    return "preferences" if stage.kind == "dpo" else "rewards"


def _notes_on_rate(stage: PlannedStage) -> list[str]:
    rate = stage.rate
    if not (rate.warmup_steps and rate.decay_steps and rate.end > 0):
        return []
    return [
        (
            f"stage '{stage.name}': transformers starts the warmup at the final rate of {rate.end:g}, "
            "not at 0."
        )
    ]
