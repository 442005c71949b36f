"""The language-model stage: every token of every sequence is predicted."""

from __future__ import annotations

import torch

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch


def batch(rows: Rows) -> Batch:
    """Return the step that minimizes the mean cross-entropy of rows [K, B, T+1], per member.

    Rows of whole documents say which of their targets are text; padding is not learned.
    """
    tokens = torch.from_numpy(rows.tokens)
    if rows.answers is None:
        return Batch(tokens=tokens)
    targets = torch.from_numpy(rows.answers)[..., 1:].float()
    counts = targets.sum(dim=(1, 2), keepdim=True).clamp_min(1.0)
    return Batch(tokens=tokens, weights=targets / counts)
