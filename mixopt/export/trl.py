"""TRL and `datasets`: one YAML per stage; their weights are shares of rows, not of tokens."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mixopt.export import readme
from mixopt.export.context import ExportContext, Reading, Unit, Written, stage_stem
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.trl_lm import SCRIPT, read_lm, write_lm, write_script
from mixopt.export.trl_sft import read_sft, write_sft
from mixopt.schedule.schedule import StageKind


@dataclass(frozen=True, slots=True)
class Trl:
    """The target TRL for SFT, with a script over `datasets` and `transformers` for text stages."""

    name: ClassVar[str] = "trl"
    description: ClassVar[str] = "TRL and datasets: one YAML per stage, and a script for text"
    unit: ClassVar[Unit] = "rows"
    kinds: ClassVar[tuple[StageKind, ...]] = ("lm", "sft")
    written_for: ClassVar[str] = "TRL 1.8 or later, datasets 4.2 or later, transformers 5"

    def write(self, plan: ExportPlan, folder: Path, context: ExportContext) -> Written:
        """Write a config per stage, the script for text stages, and a README."""
        paths, notes = [], []
        for stage in plan.stages:
            writer = write_lm if stage.kind == "lm" else write_sft
            path, found = writer(stage, plan, folder, context)
            paths.append(path)
            notes += found + _notes_on_rate(stage)
        if any(stage.kind == "lm" for stage in plan.stages):
            paths.append(write_script(folder))
        notes += readme.repeated(plan, self.kinds)
        page = folder / "README.md"
        page.write_text(_readme(plan, context, notes), encoding="utf-8")
        return Written(files=(*paths, page), approximations=tuple(notes))

    def read(self, plan: ExportPlan, folder: Path, context: ExportContext) -> list[Reading]:
        """Return what `datasets` and TRL would draw from the written files.

        Raises:
            ExportError: they would refuse a file, or lose the shares or the order.
        """
        found: list[Reading] = []
        for stage in plan.stages:
            reader = read_lm if stage.kind == "lm" else read_sft
            found += reader(stage, plan, folder, context)
        return found


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


def _readme(plan: ExportPlan, context: ExportContext, notes: list[str]) -> str:
    names = list(plan.sources)
    lengths = [
        (
            f"A document's length is the catalog's mean, counted with '{plan.tokenizer}'; a share of "
            "tokens w becomes a share of rows in proportion to w / length."
        )
    ]
    return readme.page(
        f"TRL and datasets: {readme.cell(plan.schedule)}",
        [
            ("", [f"Schedule {plan.digest}, catalog {plan.catalog_hash}. {lengths[0]}"]),
            ("Stages", readme.stages_table(plan.stages)),
            ("1. Data and model", _data(context)),
            ("", readme.shards_table(plan, names)),
            ("2. Training", [*_training(context), "", "```bash", *_commands(plan, context), "```"]),
            ("Mixture", readme.mixture_table(plan.stages)),
            ("What differs from the plan", readme.bullets(notes, "Nothing.")),
        ],
    )


def _data(context: ExportContext) -> list[str]:
    documents = context.documents("x").parent
    return [
        (
            f"The configs read one JSONL file per domain in `{documents}`, with a `text` or a `messages` "
            "field; `mixopt export --with-documents` writes them from the training split of the "
            "catalog. The catalog's own files may have other formats and fields, and hold the "
            "validation and test documents too. A domain with a declared supply is there as a sample "
            "only: put the whole domain in its place."
        ),
        "",
        (
            f"The first stage takes its model and tokenizer from `{context.run_folder / 'model'}`: a "
            "checkpoint to go on from, or `config.json` and tokenizer files for a fresh model. If text "
            "stages ran in another trainer, convert its last checkpoint and set `model_name_or_path`."
        ),
    ]


def _training(context: ExportContext) -> list[str]:
    return [
        (
            f"The configs are for {context.devices} device(s): on n of them, divide "
            "`gradient_accumulation_steps` by n. Packing whole conversations needs an attention "
            "implementation that keeps packed examples apart (`attn_implementation: "
            "flash_attention_2`); loss on answers alone needs a chat template with `{% generation %}` "
            "marks. SFT shares count all tokens of a conversation, prompts included."
        ),
    ]


def _commands(plan: ExportPlan, context: ExportContext) -> list[str]:
    folder = context.export_folder / Trl.name
    lines = [f"cd {shlex.quote(str(folder))}"]
    for stage in plan.stages:
        config = shlex.quote(f"{stage_stem(stage)}.yaml")
        run = f"accelerate launch {SCRIPT} {config}"
        lines.append(run if stage.kind == "lm" else f"trl sft --config {config}")
    return lines
