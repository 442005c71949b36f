"""Losses of a stack: per token and per member."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of every target token, in nats.

    Args:
        logits: [K, B, T, V].
        targets: token ids [K, B, T], or [1, B, T] for the same targets for all members.

    Returns:
        Losses [K, B, T].
    """
    shape = logits.shape[:-1]
    flat = logits.reshape(-1, logits.shape[-1])
    losses = functional.cross_entropy(flat, targets.expand(shape).reshape(-1), reduction="none")
    return losses.view(shape)


def mean_loss(losses: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return each member's mean loss over its tokens, or over those that the mask selects.

    Args:
        losses: [K, B, T].
        mask: bool [K, B, T] or [1, B, T]; a member without any selected token has loss 0.

    Returns:
        Means [K]. Their sum is what to call `backward` on: members do not touch each other.
    """
    if mask is None:
        return losses.mean(dim=(1, 2))
    weights = mask.expand(losses.shape).to(losses.dtype)
    return (losses * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp_min(1.0)
