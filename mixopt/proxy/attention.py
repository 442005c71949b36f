"""Causal self-attention of all members at once, with rotary positions and block-diagonal masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from mixopt.proxy.route import bmm

LONGEST_EXPLICIT = 256
"""Contexts up to this many tokens use explicit products, which beat fused kernels on a CPU."""

_TILE_SCORES = 2**19
"""Attention scores worked on at once on a CPU: 2 MiB of float32."""

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

    Args:
        query_key_value: [K * B, T, 3D].
        table: rotary table of T positions.
        bias: added to the scores; see `attention_bias`.
        heads: how many heads share the width.

    Returns:
        [K * B, T, D].
    """
    rows, length, columns = query_key_value.shape
    if length <= LONGEST_EXPLICIT:
        mixed: Tensor = _Attention.apply(query_key_value, *table, bias, heads)  # type: ignore[no-untyped-call] # as torch has it
        return mixed
    split = split_heads(query_key_value, heads)
    query, key = _Rotate.apply(split[:2], *table).unbind(0)  # type: ignore[no-untyped-call] # as torch has it
    mixed = functional.scaled_dot_product_attention(query, key, split[2], attn_mask=bias)
    return mixed.transpose(1, 2).reshape(rows, length, columns // 3)


def split_heads(query_key_value: Tensor, heads: int) -> Tensor:
    """View [rows, T, 3D] as queries, keys and values [3, rows, heads, T, head_width]."""
    rows, length, columns = query_key_value.shape
    split = query_key_value.view(rows, length, 3, heads, columns // (3 * heads))
    return split.permute(2, 0, 3, 1, 4)


def rotate(features: Tensor, table: Table, out: Tensor | None = None) -> Tensor:
    """Rotate heads [..., T, head_width] by their positions, into `out` where it is given."""
    cosine, sine = table
    rotated = features.new_empty(features.shape) if out is None else out
    first, second = features.chunk(2, dim=-1)
    into_first, into_second = rotated.chunk(2, dim=-1)
    torch.mul(first, cosine, out=into_first).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=into_second).addcmul_(first, sine)
    return rotated


class _Context(Protocol):
    """What an autograd function keeps between forward and backward."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Rotate(Function):
    """Rotation by position; its gradient is the rotation back."""

    @staticmethod
    def forward(ctx: _Context, features: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return rotate(features, (cosine, sine))

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return rotate(gradient, (cosine, -sine)), None, None


class _Attention(Function):
    """Rotary attention by explicit products: one copy in, one copy out, and no views between."""

    @staticmethod
    def forward(
        ctx: _Context, joined: Tensor, cosine: Tensor, sine: Tensor, bias: Tensor, heads: int
    ) -> Tensor:
        split = split_heads(joined, heads)
        parts = joined.new_empty(split.shape)
        rotate(split[:2], (cosine, sine), out=parts[:2])
        parts[0] *= split.shape[-1] ** -0.5
        parts[2] = split[2]
        mixed = torch.empty_like(parts[0])
        shares: list[Tensor] = []
        for rows, now, seen in _tiles(parts):
            query, key, value = (
                parts[0, rows, :, now],
                parts[1, rows, :, seen],
                parts[2, rows, :, seen],
            )
            scores = _multiply(query, key.transpose(-1, -2)).add_(_part(bias, rows, now, seen))
            shares.append(scores.softmax(dim=-1))
            mixed[rows, :, now] = _multiply(shares[-1], value)
        ctx.save_for_backward(parts, cosine, sine, *shares)
        return mixed.transpose(1, 2).flatten(2)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        parts, cosine, sine, *shares = ctx.saved_tensors
        _, num_rows, heads, length, head_width = parts.shape
        to_mixed = (
            gradient.reshape(num_rows, length, heads, head_width).transpose(1, 2).contiguous()
        )
        to_parts = torch.zeros_like(parts)
        for (rows, now, seen), share in zip(_tiles(parts), shares, strict=True):
            query, key, value = (
                parts[0, rows, :, now],
                parts[1, rows, :, seen],
                parts[2, rows, :, seen],
            )
            to_share = _multiply(to_mixed[rows, :, now], value.transpose(-1, -2))
            to_scores = _softmax_gradient(to_share, share)
            to_parts[0, rows, :, now] = _multiply(to_scores, key)
            to_parts[1, rows, :, seen] += _multiply(to_scores.transpose(-1, -2), query)
            to_parts[2, rows, :, seen] += _multiply(share.transpose(-1, -2), to_mixed[rows, :, now])
        to_parts[0] *= head_width**-0.5
        to_joined = parts.new_empty(num_rows, length, 3 * heads * head_width)
        to_split = split_heads(to_joined, heads)
        to_split[:2] = rotate(to_parts[:2], (cosine, -sine))
        to_split[2] = to_parts[2]
        return to_joined, None, None, None, None


def _tiles(parts: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Cut the scores into tiles: which rows, which queries, and the keys that these may see.

    On a CPU a tile stays in cache from product to softmax to product, and the earlier half of the
    queries skips the later half of the keys. A GPU has its work in one piece.
    """
    _, num_rows, heads, length, _ = parts.shape
    if parts.device.type != "cpu":
        yield slice(0, num_rows), slice(0, length), slice(0, length)
        return
    middle = -(-length // 2)
    step = max(1, _TILE_SCORES // (heads * middle * length))
    for first in range(0, num_rows, step):
        rows = slice(first, min(first + step, num_rows))
        yield rows, slice(0, middle), slice(0, middle)
        if middle < length:
            yield rows, slice(middle, length), slice(0, length)


def _part(bias: Tensor, rows: slice, now: slice, seen: slice) -> Tensor:
    """Return a tile's part of a bias that all rows share, or that is given by row."""
    return bias[now, seen] if bias.ndim == 2 else bias[rows, :, now, seen]


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """Multiply the matrices of every row and head by the chosen kernel."""
    product = bmm(left.flatten(0, 1), right.flatten(0, 1))
    return product.view(*left.shape[:2], *product.shape[1:])


def _softmax_gradient(gradient: Tensor, shares: Tensor) -> Tensor:
    """Run the kernel that autograd runs: element-wise operations take three times as long."""
    scores: Tensor = torch.ops.aten._softmax_backward_data(gradient, shares, -1, shares.dtype)  # noqa: SLF001 - has no public name
    return scores
