"""The supervised fine-tuning stage: only answers are predicted, and examples do not see each other."""

from __future__ import annotations

import torch

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch


def batch(rows: Rows) -> Batch:
    """Return the step that minimizes the mean cross-entropy over answer tokens, per member.

    A member without any answer in its rows has weights of zero, and so a gradient of zero.

    Args:
        rows: [K, B, T+1], with answers and segments.

    Raises:
        ValueError: the rows carry no answer mask or no segments.
    """
    if rows.answers is None or rows.segments is None:
        message = "fine-tuning needs conversations: the rows have no answers or segments"
        raise ValueError(message)
    answers = torch.from_numpy(rows.answers)[..., 1:].float()
    counts = answers.sum(dim=(1, 2), keepdim=True).clamp_min(1.0)
    return Batch(
        tokens=torch.from_numpy(rows.tokens),
        weights=answers / counts,
        segments=torch.from_numpy(rows.segments),
    )
