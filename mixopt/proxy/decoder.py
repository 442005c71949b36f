"""The decoder as pure functions of its weights: embed, the two halves of a block, read out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from mixopt.proxy import layers
from mixopt.proxy.config import Architecture

Weights = Mapping[str, Tensor]
"""Every parameter by name, [K, ...]; see `layout`."""


def embed(weights: Weights, tokens: Tensor) -> Tensor:
    """Return the features [K, N, D] of token ids [K, N]."""
    embedding = weights["embedding"]
    members, vocabulary, width = embedding.shape
    offsets = torch.arange(members, device=tokens.device).unsqueeze(1) * vocabulary
    return functional.embedding(tokens + offsets, embedding.reshape(-1, width))


def project(shape: Architecture, weights: Weights, layer: int, stream: Tensor) -> Tensor:
    """Return a layer's queries, keys and values [K, N, 3D] of the residual stream [K, N, D]."""
    name = f"layers.{layer}"
    normed = layers.rms_norm(stream, weights[f"{name}.attention_norm"], shape.norm_epsilon)
    return layers.linear(normed, weights[f"{name}.query_key_value"])


def finish(
    shape: Architecture, weights: Weights, layer: int, stream: Tensor, mixed: Tensor
) -> Tensor:
    """Return the residual stream [K, N, D] after a layer whose attention gave `mixed` [K, N, D]."""
    name = f"layers.{layer}"
    stream = stream + layers.linear(mixed, weights[f"{name}.attention_output"])
    normed = layers.rms_norm(stream, weights[f"{name}.feedforward_norm"], shape.norm_epsilon)
    inner = layers.swiglu(layers.linear(normed, weights[f"{name}.gate_up"]))
    return stream + layers.linear(inner, weights[f"{name}.down"])


def read_out(shape: Architecture, weights: Weights, stream: Tensor) -> Tensor:
    """Return the logits [K, N, V] of the residual stream [K, N, D]."""
    head = weights["embedding" if shape.tied_head else "head"]
    normed = layers.rms_norm(stream, weights["final_norm"] * shape.output_gain, shape.norm_epsilon)
    return layers.linear(normed, head.transpose(1, 2))
