"""The output head and its cross-entropy chunk by chunk: all logits of a stack never exist at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LOGITS_AT_ONCE = 2**27
"""Logits of one chunk: 256 MiB in bfloat16, and their gradient as much again."""

Score = Callable[[Tensor, Tensor], Tensor]
ScoreWithGradient = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def losses(features: Tensor, head: Tensor, targets: Tensor, score: Score) -> Tensor:
    """Return the cross-entropy of every target in nats, [K, N], in float32 or wider.

    Args:
        features: [K, N, D].
        head: [K, V, D].
        targets: ids [K, N].
        score: `cross_entropy`, compiled or not.
    """
    found = features.new_empty(targets.shape, dtype=wide(features.dtype))
    for part in _chunks(*targets.shape, vocabulary=head.shape[1]):
        logits = torch.bmm(features[part], head[part[0]].transpose(1, 2))
        found[part] = score(logits, targets[part])
    return found


def losses_and_gradients(
    features: Tensor,
    head: Tensor,
    targets: Tensor,
    weights: Tensor,
    to_head: Tensor,
    score: ScoreWithGradient,
) -> tuple[Tensor, Tensor]:
    """Return token losses [K, N] and the gradient [K, N, D] of their weighted sum to the features.

    Forward and backward of a chunk run at once, so nothing of it has to be kept. Chunks are whole
    members where these fit, so that a member's gradient of the head is one product.

    Args:
        features: [K, N, D].
        head: [K, V, D].
        targets: ids [K, N].
        weights: [K, N], what each loss counts.
        to_head: [K, V, D]; the gradient to the head is added here.
        score: `cross_entropy_with_gradient`, compiled or not.
    """
    found = features.new_empty(targets.shape, dtype=wide(features.dtype))
    to_features = torch.empty_like(features)
    for part in _chunks(*targets.shape, vocabulary=head.shape[1]):
        own = head[part[0]]
        logits = torch.bmm(features[part], own.transpose(1, 2))
        found[part], gradient = score(logits, targets[part], weights[part])
        to_features[part] = torch.bmm(gradient, own)
        to_head[part[0]].add_(torch.bmm(gradient.transpose(1, 2), features[part]))
    return found, to_features


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy [K, N] of logits [K, N, V], in float32 or wider."""
    scores = logits.to(wide(logits.dtype))
    return scores.logsumexp(dim=-1) - _picked(scores, targets)


def cross_entropy_with_gradient(
    logits: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy [K, N], and the gradient of its weighted sum to the logits.

    The gradient is weight x (softmax - one-hot), in the type of the logits.
    """
    scores = logits.to(wide(logits.dtype))
    total = scores.logsumexp(dim=-1)
    ids = torch.arange(logits.shape[-1], device=logits.device)
    surplus = (scores - total.unsqueeze(-1)).exp() - (ids == targets.unsqueeze(-1)).to(scores.dtype)
    gradient = (surplus * weights.unsqueeze(-1)).to(logits.dtype)
    return total - _picked(scores, targets), gradient


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the type to sum in: float32 for narrower ones, else the type itself."""
    return torch.promote_types(dtype, torch.float32)


def _picked(scores: Tensor, targets: Tensor) -> Tensor:
    return scores.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def _chunks(num_members: int, num_tokens: int, *, vocabulary: int) -> Iterator[tuple[slice, slice]]:
    """Cut members, or else the tokens of one member, into even chunks of at most so many logits."""
    room = max(1, LOGITS_AT_ONCE // vocabulary)
    for members in _even(num_members, max(1, room // num_tokens)):
        for tokens in _even(num_tokens, room):
            yield members, tokens


def _even(total: int, most: int) -> Iterator[slice]:
    """Cut a range into as few parts of at most `most` as will do, and these of about one length."""
    length = -(-total // -(-total // most))
    for first in range(0, total, length):
        yield slice(first, min(first + length, total))
