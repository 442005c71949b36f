"""The supervised fine-tuning stage: only answers are predicted, and examples do not see each other."""

from __future__ import annotations

from torch import Tensor

from mixopt.proxy.losses import mean_loss, token_losses
from mixopt.proxy.model import Stack
from mixopt.training.feed import StackBatch


def loss(stack: Stack, batch: StackBatch) -> Tensor:
    """Return the mean cross-entropy of each member over answer tokens, nats per token; [K].

    Raises:
        ValueError: the batch carries no answer mask or no segments.
    """
    if batch.answers is None or batch.segments is None:
        message = "fine-tuning needs conversations: the batch has no answers or segments"
        raise ValueError(message)
    logits = stack.forward(batch.tokens[..., :-1], batch.segments[..., :-1])
    return mean_loss(token_losses(logits, batch.tokens[..., 1:]), batch.answers[..., 1:])
