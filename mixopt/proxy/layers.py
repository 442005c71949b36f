"""The pieces of a stacked decoder that work token by token: linear, RMSNorm and SwiGLU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mixopt.proxy.route import bmm


def linear(features: Tensor, weight: Tensor) -> Tensor:
    """Multiply each member's features [K, N, D] by its own weight [K, D, F] into [K, N, F]."""
    return bmm(features, weight)


def rms_norm(features: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    """Scale features [K, N, D] to unit mean square, then by a gain [K, D].

    Zhang and Sennrich (2019), "Root Mean Square Layer Normalization", equation 4.
    """
    scale = torch.rsqrt(features.square().mean(dim=-1, keepdim=True) + epsilon)
    return features * scale * gain.unsqueeze(1)


def swiglu(gate_up: Tensor) -> Tensor:
    """Return silu(gate) * up [K, N, F] of the two halves of [K, N, 2F].

    Shazeer (2020), "GLU Variants Improve Transformer", equation 6.
    """
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up
