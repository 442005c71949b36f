"""Losses of a stack: per token, per member, and the log-probability of whole answers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mixopt.proxy.model import Stack


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


@torch.no_grad()
def sequence_log_probabilities(
    stack: Stack, tokens: Tensor, mask: Tensor, segments: Tensor | None = None
) -> Tensor:
    """Return the log-probability of the marked tokens of every sequence given what precedes them.

    Args:
        stack: K members.
        tokens: ids [K, B, T+1], or [1, B, T+1] for the same sequences for all members.
        mask: bool, like `tokens`: the tokens to score. The first of a sequence is never scored.
        segments: [K or 1, B, T+1] examples within a row, 0 for padding.

    Returns:
        Log-probabilities in nats [K, B].
    """
    tokens = tokens.expand(stack.num_members, -1, -1)
    inner = None if segments is None else segments[..., :-1].expand_as(tokens[..., :-1])
    losses = token_losses(stack.forward(tokens[..., :-1], inner), tokens[..., 1:])
    return -(losses * mask[..., 1:].to(losses.dtype)).sum(dim=-1)
