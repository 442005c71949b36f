"""Which matrix kernel the linear layers use: the fastest one that this processor computes exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from torch import Tensor

from mixopt.seeds import generator

_LARGEST_ERROR = 1e-5
_SMALLEST_ONEDNN = 16**3
"""Multiplications up to which PyTorch keeps a product from oneDNN, whatever the precision."""


@cache
def name() -> str:
    """Return "onednn" or "default": part of the fingerprint of a run, as rounding depends on it.

    Precision "medium" sends float32 products to oneDNN, which is twice as fast as the default on
    processors without matrix units, where it still computes in float32. Others would round the
    factors to bfloat16; a small product compared with float64 tells which kind this one is.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call] # as torch has it
        return "default"
    stream = generator(0, "route")
    left, right = (torch.from_numpy(stream.standard_normal((2, 96, 96))) for _ in range(2))
    exact = torch.bmm(left, right)
    with _precision("medium"):
        product = torch.bmm(left.float(), right.float())
    error = float((product.double() - exact).abs().max() / exact.abs().max())
    return "onednn" if np.isfinite(error) and error < _LARGEST_ERROR else "default"


def bmm(left: Tensor, right: Tensor) -> Tensor:
    """Return the products [K, N, F] of matrices [K, N, D] and [K, D, F] by the chosen kernel.

    The choice is confined to this call, as other kernels are several times slower under it, and
    depends on the shape of one matrix, never on how many there are: oneDNN is only asked for what
    it would take at K = 1, so that a member is computed alike in every stack.
    """
    size = left.shape[1] * left.shape[2] * right.shape[2]
    usable = left.device.type == "cpu" and left.dtype == torch.float32 and size > _SMALLEST_ONEDNN
    if not usable or name() == "default":
        return torch.bmm(left, right)
    with _precision("medium"):
        return torch.bmm(left, right)


@contextmanager
def _precision(level: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(level)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
