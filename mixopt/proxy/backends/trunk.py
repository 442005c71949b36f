"""The decoder without its head in two precisions: narrow products, wide norms and rotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mixopt.proxy.attention import Table
from mixopt.proxy.backends.chunked_loss import wide
from mixopt.proxy.config import Architecture


class BlockWeights(NamedTuple):
    """Parameters of one layer: norms [K, D] in float32 or wider, matrices in the compute type."""

    attention_norm: Tensor
    query_key_value: Tensor
    attention_output: Tensor
    feedforward_norm: Tensor
    gate_up: Tensor
    down: Tensor


Block = Callable[[Tensor, BlockWeights, Table, Tensor | None, int, float], Tensor]


def run(
    shape: Architecture,
    weights: Mapping[str, Tensor],
    tokens: Tensor,
    table: Table,
    bias: Tensor | None,
    apply_block: Block,
) -> Tensor:
    """Return the features [K, B * T, D] that the head reads, in the compute type.

    Args:
        shape: of the proxy.
        weights: every parameter by name, [K, ...]; tables and matrices in the compute type.
        tokens: ids [K, B, T].
        table: rotary table of T positions.
        bias: [K * B, 1, T, T] to add to attention scores; None is plain causal attention.
        apply_block: `block`, compiled or not.
    """
    stream = _embed(weights["embedding"], tokens.flatten(1))
    for layer in range(shape.layers):
        parts = (weights[f"layers.{layer}.{name}"] for name in BlockWeights._fields)
        layer_weights = BlockWeights(*parts)
        stream = apply_block(stream, layer_weights, table, bias, shape.heads, shape.norm_epsilon)
    return _rms_norm(stream, weights["final_norm"] * shape.output_gain, shape.norm_epsilon)


def block(
    stream: Tensor,
    weights: BlockWeights,
    table: Table,
    bias: Tensor | None,
    heads: int,
    epsilon: float,
) -> Tensor:
    """Return the residual stream [K, N, D] after one layer; N is B * T, row by row."""
    normed = _rms_norm(stream, weights.attention_norm, epsilon)
    joined = torch.bmm(normed, weights.query_key_value)
    mixed = _attend(joined.view(-1, len(table[0]), joined.shape[-1]), table, bias, heads)
    stream = stream + torch.bmm(mixed.reshape(stream.shape), weights.attention_output)
    normed = _rms_norm(stream, weights.feedforward_norm, epsilon)
    gate, up = torch.bmm(normed, weights.gate_up).chunk(2, dim=-1)
    return stream + torch.bmm(functional.silu(gate) * up, weights.down)


def _embed(embedding: Tensor, tokens: Tensor) -> Tensor:
    """Look up ids [K, N] in tables [K, V, D]; stays uncompiled, as its gradient must not use atomics."""
    members, vocabulary, width = embedding.shape
    offsets = torch.arange(members, device=tokens.device).unsqueeze(1) * vocabulary
    return functional.embedding(tokens + offsets, embedding.reshape(-1, width))


def _rms_norm(features: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    """Zhang and Sennrich (2019), equation 4, on [K, N, D] with gains [K, D]."""
    full = features.to(wide(features.dtype))
    scale = torch.rsqrt(full.square().mean(dim=-1, keepdim=True) + epsilon)
    return (full * scale * gain.unsqueeze(1)).to(features.dtype)


def _attend(joined: Tensor, table: Table, bias: Tensor | None, heads: int) -> Tensor:
    """Mix values over earlier positions: [rows, T, 3D] to [rows, T, D]."""
    rows, length, columns = joined.shape
    split = joined.view(rows, length, 3, heads, columns // (3 * heads)).permute(2, 0, 3, 1, 4)
    query, key, value = split.unbind(0)
    mixed = functional.scaled_dot_product_attention(
        _rotate(query, table), _rotate(key, table), value, attn_mask=bias, is_causal=bias is None
    )
    return mixed.transpose(1, 2).reshape(rows, length, columns // 3)


def _rotate(features: Tensor, table: Table) -> Tensor:
    """Su et al. (2021), equation 34, on heads [rows, heads, T, head_width], in full precision."""
    cosine, sine = table
    first, second = features.to(wide(features.dtype)).chunk(2, dim=-1)
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    return torch.cat(turned, dim=-1).to(features.dtype)
