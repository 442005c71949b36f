"""The pieces of a stacked decoder that work token by token: linear, RMSNorm and SwiGLU."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from mixopt.proxy.route import bmm

_WHOLE_VECTORS = 32
"""A multiple of what element-wise kernels work on at once, on every processor."""


def linear(features: Tensor, weight: Tensor) -> Tensor:
    """Multiply each member's features [K, N, D] by its own weight [K, D, F] into [K, N, F]."""
    product: Tensor = _Linear.apply(features, weight)  # type: ignore[no-untyped-call] # as torch has it
    return product


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
    product: Tensor = _SwiGLU.apply(gate_up)  # type: ignore[no-untyped-call] # as torch has it
    return product


class _Context(Protocol):
    """What an autograd function keeps between forward and backward."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Linear(Function):
    """A product by the chosen kernel in both directions."""

    @staticmethod
    def forward(ctx: _Context, features: Tensor, weight: Tensor) -> Tensor:
        if weight.stride(0) != weight[0].numel():
            # The rows of a stack lie far apart, which makes products with the view itself slow.
            weight = weight.contiguous()
        ctx.save_for_backward(features, weight)
        return bmm(features, weight)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, Tensor]:
        features, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        return bmm(gradient, weight.transpose(1, 2)), bmm(features.transpose(1, 2), gradient)


class _SwiGLU(Function):
    """The gated product; its gradient goes straight into the two halves of one tensor."""

    @staticmethod
    def forward(ctx: _Context, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        if gate[0].numel() % _WHOLE_VECTORS == 0:
            # The kernel of silu is six times faster on a copy than on half a tensor, but computes
            # what is left over at the end by other instructions: so only where nothing is.
            gate = gate.contiguous()
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> Tensor:
        gate, up = ctx.saved_tensors
        to_gate_up = gate.new_empty(*gate.shape[:-1], 2 * gate.shape[-1])
        to_gate, to_up = to_gate_up.chunk(2, dim=-1)
        torch.mul(functional.silu(gate), gradient, out=to_up)
        to_gate.copy_(torch.ops.aten.silu_backward(gradient * up, gate))
        return to_gate_up
