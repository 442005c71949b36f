"""The language-model stage: every token of every sequence is predicted."""

from __future__ import annotations

from torch import Tensor

from mixopt.proxy.losses import mean_loss, token_losses
from mixopt.proxy.model import Stack
from mixopt.training.feed import StackBatch


def loss(stack: Stack, batch: StackBatch) -> Tensor:
    """Return the mean cross-entropy of each member, nats per token; [K]."""
    logits = stack.forward(batch.tokens[..., :-1])
    return mean_loss(token_losses(logits, batch.tokens[..., 1:]))
