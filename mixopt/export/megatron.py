"""Megatron-LM: launch arguments and a blend for every lm stage, one launch per constant piece."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from mixopt.errors import ExportError
from mixopt.export import readme, remarks
from mixopt.export.context import ExportContext, Reading, Unit, Written, file_stem
from mixopt.export.megatron_launches import Launch, arguments, data_prefix, launches
from mixopt.export.pieces import exact_shares
from mixopt.export.planned import ExportPlan
from mixopt.schedule import simplex
from mixopt.schedule.schedule import StageKind


@dataclass(frozen=True, slots=True)
class Megatron:
    """The target Megatron-LM; its weights are shares of fixed-length samples, so of tokens."""

    name: ClassVar[str] = "megatron"
    description: ClassVar[str] = "Megatron-LM: launch arguments and per-split blends"
    unit: ClassVar[Unit] = "tokens"
    kinds: ClassVar[tuple[StageKind, ...]] = ("lm",)
    written_for: ClassVar[str] = "Megatron-LM core_v0.16 or later (--phase-transition-iterations)"

    def write(self, plan: ExportPlan, folder: Path, context: ExportContext) -> Written:
        """Write arguments, blends and README into a folder that is `folder` when it is done."""
        every = launches(plan)
        files = []
        for launch in every:
            blend = folder / f"{launch.stem}.blend.json"
            blend.write_text(_blend(launch, context), encoding="utf-8")
            final = context.export_folder / self.name / blend.name
            lines = arguments(launch, every, plan, context, str(final))
            _check_lines(lines)
            target = folder / f"{launch.stem}.args"
            target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            files += [target, blend]
        notes = _notes(plan, every)
        page = folder / "README.md"
        page.write_text(_readme(plan, every, context, notes), encoding="utf-8")
        return Written(files=(*files, page), approximations=tuple(notes))

    def read(self, plan: ExportPlan, folder: Path, context: ExportContext) -> list[Reading]:
        """Return what Megatron-LM would draw.

        It scales weights to sum to 1, sizes a phase from one transition to the next, and takes from
        every prefix the whole number of samples nearest to its share at every point of the phase.

        Raises:
            ExportError: it would refuse the files, hold data out, or draw the same order twice.
        """
        every = launches(plan)
        flags = {launch.stem: _flags(folder / f"{launch.stem}.args") for launch in every}
        _check_flags(flags, context.export_folder / self.name)
        domains = {
            str(data_prefix(context, file_stem(name))): name
            for launch in every
            for name in (part.domain for part in launch.piece.parts)
        }
        return [_reading(launch, every, flags[launch.stem], folder, domains) for launch in every]


def _blend(launch: Launch, context: ExportContext) -> str:
    """Return the JSON of `--per-split-data-args-path`; a list, so that any path is one item."""
    parts = [part for part in launch.piece.parts if part.tokens > 0]
    shares = exact_shares(np.array([part.weight for part in parts]))
    items: list[str] = []
    for part, share in zip(parts, shares, strict=True):
        if share > 0:
            items += [repr(share), str(data_prefix(context, file_stem(part.domain)))]
    return json.dumps({"train": items, "valid": None, "test": None}, indent=1) + "\n"


def _check_lines(lines: list[str]) -> None:
    broken = [line for line in lines if len(line.splitlines()) > 1]
    if broken:
        message = f"a path with a line break cannot be an argument: {broken[0]!r}"
        raise ExportError(message, remedy="Export to a folder without one in its path.")


def _flags(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        message = f"cannot read {path}"
        raise ExportError(message, why=str(error)) from error
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {flag: value for flag, _, value in pairs}


def _check_flags(flags: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    for stem, given in flags.items():
        blend = str(folder / f"{stem}.blend.json")
        if "--split" in given or given.get("--per-split-data-args-path") != blend:
            message = f"{stem}.args: data has to come from {stem}.blend.json alone"
            raise ExportError(message, why="Any --split holds documents out of training.")
    seeds = [given.get("--seed") for given in flags.values()]
    if len(set(seeds)) < len(seeds):
        message = "two launches have the same --seed"
        raise ExportError(message, why="The later one would draw the documents of the earlier.")


def _reading(
    launch: Launch,
    every: list[Launch],
    flags: Mapping[str, str],
    folder: Path,
    domains: Mapping[str, str],
) -> Reading:
    chain = [other.stem for other in every if other.chain == launch.chain]
    batch = int(flags["--global-batch-size"])
    inner = flags.get("--phase-transition-iterations", "")
    ends = [int(step) * batch for step in inner.split(",") if step]
    bounds = [0, *ends, int(flags["--train-samples"])]
    position = chain.index(launch.stem)
    samples = bounds[position + 1] - bounds[position] if len(bounds) == len(chain) + 1 else 0
    weights = _weights(folder / f"{launch.stem}.blend.json", domains)
    counts = simplex.apportion(list(weights.values()), max(samples, 1))
    shares = {name: int(n) / max(samples, 1) for name, n in zip(weights, counts, strict=True)}
    return Reading(
        stage=launch.stage.name,
        piece=launch.piece.number,
        file=f"{launch.stem}.args",
        tokens=samples * int(flags["--seq-length"]),
        shares=shares,
    )


def _weights(path: Path, domains: Mapping[str, str]) -> dict[str, float]:
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        items = splits["train"]
        weights = {domains[p]: float(w) for w, p in zip(items[::2], items[1::2], strict=True)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path.name} is no blend of the plan's domains"
        raise ExportError(message, why=f"{type(error).__name__}: {error}") from error
    if set(splits) != {"train", "valid", "test"} or not weights or min(weights.values()) <= 0:
        message = f"{path.name}: Megatron-LM takes train, valid and test, with weights above zero"
        raise ExportError(message, why=f"splits {sorted(splits)}, weights {weights}")
    return weights


def _notes(plan: ExportPlan, every: list[Launch]) -> list[str]:
    notes = []
    for stage in (stage for stage in plan.stages if stage.kind == "lm"):
        notes += remarks.shuffled(stage, "Megatron-LM")
        if stage.packing == "whole":
            notes.append(
                f"stage '{stage.name}': Megatron-LM joins documents end to end and cuts them where a "
                "sequence ends; the plan keeps those whole that fit into one."
            )
    for before, launch in itertools.pairwise(every):
        where = f"'{launch.stage.name}'"
        if launch.chain != before.chain:
            notes.append(
                f"stage {where} starts a run of its own from the weights of '{before.stage.name}': "
                "the optimizer's moments start anew (its context length or warmup needs it)."
            )
        elif launch.stage.rate.peak != before.stage.rate.peak:
            notes.append(
                f"stage {where} goes on at another peak learning rate; releases before "
                "--override-opt_param-scheduler also reset the rates of a loaded optimizer keep "
                "the old one: compare the logged rate with the table."
            )
    return notes + _redrawn(plan, every) + readme.repeated(plan, Megatron.kinds)


def _redrawn(plan: ExportPlan, every: list[Launch]) -> list[str]:
    """Say how much of a domain is drawn twice by chance, since every launch shuffles for itself."""
    worst, name = 0.0, ""
    for domain in plan.sources:
        epochs = [p.epochs for one in every for p in one.piece.parts if p.domain == domain]
        total = sum(epochs)
        unseen = float(np.prod([1 - min(1.0, part) for part in epochs])) if epochs else 1.0
        extra = (min(total, 1.0) - (1 - unseen)) / total if total > 0 else 0.0
        if extra > worst:
            worst, name = extra, domain
    if worst < 1e-3:
        return []
    return [
        (
            f"every launch shuffles its documents for itself: of domain '{name}', the worst, about "
            f"{worst:.1%} of the tokens are repeats by chance that the plan does not have."
        )
    ]


def _readme(plan: ExportPlan, every: list[Launch], context: ExportContext, notes: list[str]) -> str:
    stages = [stage for stage in plan.stages if stage.kind == "lm"]
    others = [f"'{stage.name}' ({stage.kind})" for stage in plan.stages if stage.kind != "lm"]
    left = [f"Not for Megatron-LM: {', '.join(others)}; see the target trl."] if others else []
    names = list(dict.fromkeys(part.domain for stage in stages for part in stage.parts))
    return readme.page(
        f"Megatron-LM: {readme.cell(plan.schedule)}",
        [
            ("", [f"Schedule {plan.digest}, catalog {plan.catalog_hash}. {_INTRODUCTION}"]),
            ("Stages", [*readme.stages_table(stages), "", *readme.bullets(left, "These are all.")]),
            ("1. Data", [*_DATA, "", "```bash", *_preprocess(names, context), "```"]),
            ("", readme.shards_table(plan, names)),
            ("2. Training", [*_TRAINING, "", "```bash", *_commands(every, context), "```"]),
            ("Mixture", readme.mixture_table(stages)),
            ("What differs from the plan", readme.bullets(notes, "Nothing.")),
        ],
    )


def _preprocess(names: list[str], context: ExportContext) -> list[str]:
    data = data_prefix(context, "x").parent
    lines = [f"mkdir -p {shlex.quote(str(data))}"]
    for name in names:
        source = shlex.quote(str(context.documents(name)))
        prefix = shlex.quote(str(data / file_stem(name)))
        lines.append(
            f'python "$MEGATRON/tools/preprocess_data.py" --input {source} --json-keys text '
            f'--output-prefix {prefix} --append-eod --workers 8 "${{TOKENIZER[@]}}"'
        )
    return lines


def _commands(every: list[Launch], context: ExportContext) -> list[str]:
    lines = []
    for launch in every:
        path = context.export_folder / Megatron.name / f"{launch.stem}.args"
        lines += [
            f"mapfile -t ARGUMENTS < <(grep -v '^#' {shlex.quote(str(path))})",
            (
                'torchrun --nproc-per-node 8 "$MEGATRON/pretrain_gpt.py" "${MODEL[@]}" '
                '"${ARGUMENTS[@]}"'
            ),
        ]
    return lines


_INTRODUCTION = (
    "Weights are shares of fixed-length samples, so the plan's token shares pass through. Every "
    "`.args` file has one argument per line, and comments that start with `#`; every `.blend.json` names the data of one launch. "
    "Nothing is held out: bring validation data of your own by filling in `valid` and --eval-iters."
)
_DATA = [
    (
        "Megatron-LM reads `.bin` and `.idx` files that its own tool makes from JSONL with a `text` "
        "field, one document a line. `mixopt export --with-documents` writes these JSONL files from "
        "the training split of the catalog. The catalog's own files may have other formats and fields, "
        "and hold the validation and test documents too. A domain with a declared supply is there as a "
        "sample only: run the tool over the whole domain, under the same prefix."
    ),
    "",
    (
        "`TOKENIZER` is an array with the target's tokenizer arguments, such as "
        "`TOKENIZER=(--tokenizer-type HuggingFaceTokenizer --tokenizer-model FOLDER)`."
    ),
]
_TRAINING = [
    (
        "`MODEL` is an array with the size of the model, its tokenizer, precision, parallelism and "
        "`--micro-batch-size`. A launch ends by itself at the end of its stage or piece, with a "
        "checkpoint that the next one loads; after a crash, run the same launch again. A launch with "
        "`--rotary-base` needs `--position-embedding-type rope` in `MODEL`."
    ),
]
