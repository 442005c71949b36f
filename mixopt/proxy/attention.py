"""Causal self-attention of all members at once, with rotary positions and block-diagonal masks."""

from __future__ import annotations

import torch
from torch import Tensor

Table = tuple[Tensor, Tensor]
"""Cosines and sines [T, head_width / 2] of the rotary angle at every position."""


def rotary_table(length: int, head_width: int, base: float, like: Tensor) -> Table:
    """Return the rotary table of positions 0 to length - 1.

    Su et al. (2021), "RoFormer", equation 34, with halves rotated against each other as in Llama.
    """
    exponents = torch.arange(0, head_width, 2, dtype=torch.float64) / head_width
    angles = torch.arange(length, dtype=torch.float64).unsqueeze(1) * base**-exponents
    return angles.cos().to(like), angles.sin().to(like)


def attention_bias(length: int, segments: Tensor | None, like: Tensor) -> Tensor:
    """Return what to add to attention scores: 0 where a token may look, -inf elsewhere.

    Args:
        length: T.
        segments: [K, B, T]; a token looks at earlier tokens of its own segment only. Padding
            (segment 0) looks at itself, so that its row is finite, and nothing looks at padding.
        like: gives type and device.

    Returns:
        [T, T] without segments, else [K * B, 1, T, T].
    """
    allowed = torch.ones(length, length, dtype=torch.bool, device=like.device).tril()
    if segments is not None:
        flat = segments.reshape(-1, 1, length)
        same = (flat.unsqueeze(-1) == flat.unsqueeze(-2)) & (flat != 0).unsqueeze(-1)
        itself = torch.eye(length, dtype=torch.bool, device=like.device)
        allowed = (allowed & same) | itself
    bias = torch.zeros(allowed.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill_(~allowed, float("-inf"))


def attention(query_key_value: Tensor, table: Table, bias: Tensor, heads: int) -> Tensor:
    """Mix values over earlier positions.

    Vaswani et al. (2017), "Attention Is All You Need", equation 1, with rotated queries and keys.

    Args:
        query_key_value: [K * B, T, 3D].
        table: rotary table of T positions.
        bias: added to the scores; see `attention_bias`.
        heads: how many heads share the width.

    Returns:
        [K * B, T, D].
    """
    query, key, value = split_heads(query_key_value, heads)
    query, key = rotate(query, table) * query.shape[-1] ** -0.5, rotate(key, table)
    shares = (query @ key.transpose(-1, -2) + bias).softmax(dim=-1)
    mixed: Tensor = shares @ value
    return mixed.transpose(1, 2).flatten(2)


def split_heads(query_key_value: Tensor, heads: int) -> Tensor:
    """View [rows, T, 3D] as queries, keys and values [3, rows, heads, T, head_width]."""
    rows, length, columns = query_key_value.shape
    split = query_key_value.view(rows, length, 3, heads, columns // (3 * heads))
    return split.permute(2, 0, 3, 1, 4)


def rotate(features: Tensor, table: Table) -> Tensor:
    """Rotate heads [..., T, head_width] by their positions."""
    cosine, sine = table
    first, second = features.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
