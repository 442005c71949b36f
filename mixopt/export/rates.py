"""The learning rate of a stage at the target, in whole steps and absolute terms."""

from __future__ import annotations

from typing import Final

from mixopt.export.planned import Rate
from mixopt.schedule.schedule import Stage, StageKind, TargetRun

_BASE_OF: Final[dict[StageKind, str]] = {
    "lm": "learning_rate",
    "sft": "sft_learning_rate",
    "dpo": "dpo_learning_rate",
    "rl": "rl_learning_rate",
}


def plan_rate(stage: Stage, target: TargetRun, steps: int, span: int) -> tuple[Rate, list[str]]:
    """Return the learning rate of a stage, and where it differs from the schedule's.

    Args:
        stage: whose shape it is.
        target: whose base rates it multiplies.
        steps: optimizer steps of the stage.
        span: steps that the shape is laid over; more than `steps` where the stage ends early.
    """
    shape, notes = stage.learning_rate, []
    warmup = min(round(shape.warmup * span), span - 1)
    decay = min(round(shape.decay * span), span - warmup)
    if shape.warmup + shape.decay > 1 + 1e-9:
        notes.append(
            f"stage '{stage.name}': warmup and decay overlap; the decay is cut to {decay} steps."
        )
    left = max(0, decay - (span - steps))
    if 0 < left < decay and shape.shape != "linear":
        notes.append(
            f"stage '{stage.name}': the gate of the next stage cuts its {shape.shape} decay off; the "
            "rate falls to the same value in a whole decay of that shape."
        )
    peak = getattr(target, _BASE_OF[stage.kind]) * shape.peak
    if warmup >= steps:
        peak, warmup = peak * steps / warmup, steps - 1
    end = peak * float(shape.at(steps / span)) / shape.peak if left and shape.peak else peak
    rate = Rate(
        start=0.0 if warmup else peak,
        peak=peak,
        end=end,
        warmup_steps=warmup,
        decay_steps=left,
        shape=shape.shape,
    )
    return rate, notes
