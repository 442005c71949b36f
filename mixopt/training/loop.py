"""The loop: takes a stack through one leg, step by step, and notes members that diverge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.schedule.schedule import StageKind
from mixopt.training.feed import Feed, Leg, StackBatch
from mixopt.training.stages import lm, sft

Loss = Callable[[Stack, StackBatch], Tensor]
LOSSES: Final[Mapping[StageKind, Loss]] = {"lm": lm.loss, "sft": sft.loss}


@dataclass(kw_only=True, slots=True)
class LegReport:
    """What happened on a leg."""

    steps: int
    losses: list[list[float]] = field(default_factory=list)  # [steps][K], nats per token
    diverged: dict[int, int] = field(
        default_factory=dict
    )  # member -> first step with no finite loss


def train_leg(
    stack: Stack,
    optimizer: AdamW,
    feed: Feed,
    leg: Leg,
    *,
    base_rate: float,
    progress: Callable[[int], None],
) -> LegReport:
    """Train all members for the steps of a leg.

    A member whose loss or gradient is not finite stops learning from that step on; the others
    never notice.

    Args:
        stack: K members.
        optimizer: of the stack.
        feed: batches of the leg.
        leg: what to train.
        base_rate: learning rate at multiple 1.
        progress: called with 1 after every step.
    """
    report = LegReport(steps=leg.steps)
    for step in range(leg.steps):
        rates = feed.rates(step) * base_rate
        rates[list(report.diverged)] = 0.0
        losses = LOSSES[leg.kind](stack, feed.batch(step))
        losses.sum().backward()  # type: ignore[no-untyped-call]
        norms = optimizer.step(torch.from_numpy(rates))
        values = losses.detach().double().cpu().numpy()
        failed = ~np.isfinite(values) | ~np.isfinite(norms.double().cpu().numpy())
        for member in np.flatnonzero(failed):
            report.diverged.setdefault(int(member), step)
        report.losses.append(values.tolist())
        progress(1)
    return report
