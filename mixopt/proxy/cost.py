"""What a proxy costs: its parameters, the operations of training it, and a device's peak rate."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time

import torch
from torch import Tensor

from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.layout import lay_out
from mixopt.proxy.route import confined, find_route

_PASSES = 3  # a product of the forward pass has two of its size in the backward pass
_PROBE_SECONDS = 0.3
_PROBE_SIDES = {"cpu": (512, 1024), "cuda": (4096, 8192)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Parameters of one proxy, and floating-point operations per token of training it."""

    hidden_parameters: int
    """Of the matrices inside the blocks, and of the norms."""
    table_parameters: int
    """Of the embedding, and of the head where it is a table of its own."""
    matrix_flops: int
    """Per token: products with hidden matrices, forward and backward."""
    attention_flops: int
    """Per token: queries with keys and shares with values, over the tokens it may see."""
    head_flops: int
    """Per token: products with the head."""

    @property
    def parameters(self) -> int:
        """All parameters of one proxy."""
        return self.hidden_parameters + self.table_parameters

    @property
    def flops(self) -> int:
        """Operations per token of training, forward and backward."""
        return self.matrix_flops + self.attention_flops + self.head_flops


def cost_of(proxy: ProxyRecipe, vocabulary: int, *, context: int | None = None) -> Cost:
    """Count what a proxy costs.

    A multiplication and its addition are two operations: 6 N per token for N parameters that
    multiply it (Kaplan et al., 2020, arXiv:2001.08361, section 2.1), and 12 D L times the tokens
    that it sees in attention, which is causal: half the context on average. Norms, activations,
    softmax and the optimizer are left out, as in model FLOPs utilization (Chowdhery et al., 2022,
    arXiv:2204.02311, appendix B).

    Args:
        proxy: its shape.
        vocabulary: V.
        context: tokens per sequence; by default the recipe's.
    """
    shape, layout = proxy.architecture, lay_out(proxy.architecture, vocabulary)
    tables = (1 if shape.tied_head else 2) * vocabulary * shape.width
    length = proxy.training.context if context is None else context
    seen_twice = length + 1  # twice the mean of 1, 2, ... T
    return Cost(
        hidden_parameters=layout.num_parameters - tables,
        table_parameters=tables,
        matrix_flops=2 * _PASSES * layout.num_hidden,
        attention_flops=2 * _PASSES * shape.layers * shape.width * seen_twice,
        head_flops=2 * _PASSES * vocabulary * shape.width,
    )


def utilization(tokens_per_second: float, cost: Cost, peak_flops: float) -> float:
    """Return the share of a device's peak rate that training reaches (MFU)."""
    return tokens_per_second * cost.flops / peak_flops


def measure_peak(device: torch.device, precision: str) -> float:
    """Return the operations per second of the fastest large matrix product of a device.

    Measured, since the figures of makers are never reached and differ by clock and by power.

    Args:
        device: where to multiply; of a processor, one thread, by the time that it was given.
        precision: "float32" or "bfloat16", of the factors.
    """
    sides = _PROBE_SIDES.get(device.type, _PROBE_SIDES["cpu"])
    rates = [_rate(side, device, _dtype(precision)) for side in sides]
    if device.type == "cpu":
        with confined():
            torch.set_float32_matmul_precision(find_route(precision).large)
            rates += [_rate(side, device, torch.float32) for side in sides]
    return max(rates)


def _dtype(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _rate(side: int, device: torch.device, dtype: torch.dtype) -> float:
    square = torch.full((side, side), 1 / side, dtype=dtype, device=device)
    _seconds(square, device)
    return 2 * side**3 / _seconds(square, device)


def _seconds(square: Tensor, device: torch.device) -> float:
    """Return the seconds of one product: the best of those that fit into the probe's time."""
    clock = process_time if device.type == "cpu" else perf_counter
    times: list[float] = []
    product = torch.empty_like(square)
    while sum(times) < _PROBE_SECONDS / 2:
        started = clock()
        torch.mm(square, square, out=product)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - started)
    return min(times)
