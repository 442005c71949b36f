"""The language-model stage: every token of every sequence is predicted."""

from __future__ import annotations

import torch

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch


def batch(rows: Rows) -> Batch:
    """Return the step that minimizes the mean cross-entropy of rows [K, B, T+1], per member."""
    return Batch(tokens=torch.from_numpy(rows.tokens))
