"""Launches of Megatron-LM: which stages share one run of its trainer, and the arguments of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from mixopt import seeds
from mixopt.export.context import ExportContext, stage_stem
from mixopt.export.planned import ExportPlan, Piece, PlannedStage
from mixopt.export.remarks import comments
from mixopt.schedule.rate import Decay

_DECAY: Final[Mapping[Decay, str]] = {"linear": "linear", "cosine": "cosine", "sqrt": "minus_sqrt"}
_SAVE_STEPS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """One start of the trainer: one piece of one stage.

    Attributes:
        stage: the stage.
        piece: the piece of it.
        chain: number of the run that the launch continues, from 1.
        stage_start: iterations of the chain before the stage.
        start: iterations of the chain before the piece.
    """

    stage: PlannedStage
    piece: Piece
    chain: int
    stage_start: int
    start: int

    @property
    def stem(self) -> str:
        """The name of the launch's files."""
        return stage_stem(self.stage, self.piece)

    @property
    def end(self) -> int:
        """Iterations of the chain after the piece."""
        return self.start + self.piece.steps


def launches(plan: ExportPlan) -> list[Launch]:
    """Return the launches of all lm stages in order.

    A chain is one run of the trainer that goes on from launch to launch with its optimizer. It ends
    before a stage of another context length, because batches are counted in sequences, and before
    a stage with a warmup, because warmups count from the first sample of a run.
    """
    found: list[Launch] = []
    for stage in (stage for stage in plan.stages if stage.kind == "lm"):
        before = found[-1] if found else None
        goes_on = (
            before is not None
            and before.stage.context_tokens == stage.context_tokens
            and stage.rate.warmup_steps == 0
        )
        chain = 1 if before is None else before.chain + (0 if goes_on else 1)
        start = before.end if before is not None and goes_on else 0
        stage_start = start
        for piece in stage.pieces:
            found.append(
                Launch(stage=stage, piece=piece, chain=chain, stage_start=stage_start, start=start)
            )
            start += piece.steps
    return found


def checkpoint_folder(context: ExportContext, chain: int) -> Path:
    """Return where a chain keeps its checkpoints."""
    return context.run_folder / "checkpoints" / "megatron" / f"run-{chain}"


def data_prefix(context: ExportContext, stem: str) -> Path:
    """Return the prefix of the `.bin` and `.idx` of a domain, given its file name."""
    return context.run_folder / "megatron" / f"{stem}_text_document"


def arguments(
    launch: Launch, every: list[Launch], plan: ExportPlan, context: ExportContext, blend: str
) -> list[str]:
    """Return the arguments of one launch as `--flag=value`, after lines of comment that start with `#`.

    Args:
        launch: which one.
        every: all launches.
        plan: the plan that they carry out.
        context: folders and seed.
        blend: the path of the launch's data arguments.
    """
    chain = [other for other in every if other.chain == launch.chain]
    batch = launch.stage.batch_sequences
    given = [
        f"--per-split-data-args-path={blend}",
        f"--seq-length={launch.stage.context_tokens}",
        f"--max-position-embeddings={max(other.stage.context_tokens for other in every)}",
        f"--global-batch-size={batch}",
        f"--train-samples={chain[-1].end * batch}",
        f"--seed={_seed(launch, plan, context)}",
        "--eval-iters=0",
    ]
    transitions = [first.end for first, _ in pairwise(chain)]
    if transitions:
        given.append(f"--phase-transition-iterations={','.join(map(str, transitions))}")
    remarked = [f"# {line}" for line in comments(launch.stage)]
    return remarked + given + _rope(launch) + _rate(launch, chain) + _checkpoints(launch, context)


def _rope(launch: Launch) -> list[str]:
    """Return the rotary base, a whole number to Megatron-LM; the model's own where none is changed."""
    base = launch.stage.rope_base
    return [] if base is None else [f"--rotary-base={round(base)}"]


def _seed(launch: Launch, plan: ExportPlan, context: ExportContext) -> int:
    """Return a seed of the launch's own: with one seed, every launch draws the same documents."""
    names = (plan.digest, launch.stage.name, launch.piece.number)
    return seeds.derive(context.seed, "megatron", *names) % 2**31


def _rate(launch: Launch, chain: list[Launch]) -> list[str]:
    stage, rate = launch.stage, launch.stage.rate
    batch = stage.batch_sequences
    end = launch.stage_start + stage.steps
    first = chain[0].stage.rate
    given = [
        f"--lr={rate.peak!r}",
        f"--min-lr={rate.end!r}",
        f"--lr-warmup-samples={first.warmup_steps * batch}",
        f"--lr-decay-samples={end * batch}",
        "--override-opt_param-scheduler",
    ]
    if not rate.decay_steps:
        return [*given, "--lr-decay-style=constant"]
    return [
        *given,
        "--lr-decay-style=WSD",
        f"--lr-wsd-decay-samples={rate.decay_steps * batch}",
        f"--lr-wsd-decay-style={_DECAY[rate.shape]}",
    ]


def _checkpoints(launch: Launch, context: ExportContext) -> list[str]:
    folder = checkpoint_folder(context, launch.chain)
    given = [f"--load={folder}", f"--save={folder}", f"--save-interval={_SAVE_STEPS}"]
    if launch.chain == 1:
        return given
    return [*given, f"--pretrained-checkpoint={checkpoint_folder(context, launch.chain - 1)}"]
