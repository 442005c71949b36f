"""The loss of every token of a stack."""

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
