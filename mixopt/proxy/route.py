"""Which kernels multiply matrices on a CPU: the fastest that are as exact as a precision asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Literal

import torch
from torch import Tensor

from mixopt.seeds import generator

Level = Literal["highest", "medium"]
"""Of `torch.set_float32_matmul_precision`: the default library, or oneDNN."""

_LARGEST_ERROR = 1e-5
"""Relative to the largest element: float32 sums stay below, rounded factors far above."""

_LEAST_GAIN = 1.15
"""What a route must be faster by, so that the choice is the same on every run."""

_SHAPES = ((512, 64, 384), (512, 384, 64), (512, 128, 512))
"""Products [N, D] [D, F] that routes are timed on: those of a small proxy."""

_SMALLEST_ROUNDED = 2**21
"""Multiplications from which rounding the factors is worth the call: below, exact is faster."""

_SMALLEST_ONEDNN = 16**3
"""Multiplications up to which PyTorch keeps a product from oneDNN, whatever the precision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """How products are computed: a level for small ones and one for large ones."""

    name: str
    """Part of the fingerprint of a run, as rounding depends on it."""
    small: Level
    large: Level

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Set `out` [N, F] to the product of [N, D] and [D, F]; call within `confined`."""
        self.prepare(left.shape[0], left.shape[1], right.shape[1])
        torch.mm(left, right, out=out)

    def multiply_add(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Add the product of [N, D] and [D, F] to `out` [N, F]; call within `confined`."""
        self.prepare(left.shape[0], left.shape[1], right.shape[1])
        torch.addmm(out, left, right, out=out)

    def prepare(self, rows: int, depth: int, columns: int) -> None:
        """Set the level of products [N, D] by [D, F]; call within `confined`.

        The choice depends on one matrix, never on how many there are: all members are alike.
        """
        large = rows * depth * columns >= _SMALLEST_ROUNDED
        torch.set_float32_matmul_precision(self.large if large else self.small)


@contextmanager
def confined() -> Iterator[None]:
    """Restore the process's precision at the end: other kernels are several times slower under it."""
    before = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def find_route(precision: str) -> Route:
    """Return the fastest route that keeps to a precision, "float32" or "bfloat16".

    Precision "medium" sends products to oneDNN. On processors with matrix units it rounds the
    factors to bfloat16 and sums in float32; on others it computes in float32, and may be the
    faster library. A product compared with float64 tells which kind this one is.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call] # as torch has it
        return Route(name="default", small="highest", large="highest")
    exact, faster = _error("medium") < _LARGEST_ERROR, _gain() > _LEAST_GAIN
    if faster and exact:
        return Route(name="onednn", small="medium", large="medium")
    if faster and precision == "bfloat16":
        return Route(name="onednn bfloat16", small="highest", large="medium")
    return Route(name="default", small="highest", large="highest")


def name() -> str:
    """Return the name of the exact route."""
    return find_route("float32").name


def bmm(left: Tensor, right: Tensor) -> Tensor:
    """Return the products [K, N, F] of matrices [K, N, D] and [K, D, F] by the exact route.

    The choice depends on the shape of one matrix, never on how many there are: oneDNN is only
    asked for what it would take at K = 1, so that a member is computed alike in every stack.
    """
    size = left.shape[1] * left.shape[2] * right.shape[2]
    usable = left.device.type == "cpu" and left.dtype == torch.float32 and size > _SMALLEST_ONEDNN
    if not usable or name() == "default":
        return torch.bmm(left, right)
    with confined():
        torch.set_float32_matmul_precision("medium")
        return torch.bmm(left, right)


def _error(level: Level) -> float:
    """Return the largest error of a product, relative to its largest element."""
    left, right = _factors(96, 96, 96)
    exact = left.double() @ right.double()
    with confined():
        torch.set_float32_matmul_precision(level)
        product = torch.mm(left, right)
    return float((product.double() - exact).abs().max() / exact.abs().max())


@cache
def _gain() -> float:
    """Return how many times faster typical products are at "medium": the median over shapes."""
    ratios = sorted(_seconds("highest", shape) / _seconds("medium", shape) for shape in _SHAPES)
    return ratios[len(ratios) // 2]


def _seconds(level: Level, shape: tuple[int, int, int]) -> float:
    """Return the shortest CPU time of some products: what disturbs a measurement only adds."""
    left, right = _factors(*shape)
    out, times = torch.empty(shape[0], shape[2]), []
    with confined():
        torch.set_float32_matmul_precision(level)
        for _ in range(6):
            start = process_time()
            for _ in range(10):
                torch.mm(left, right, out=out)
            times.append(process_time() - start)
    return min(times)


def _factors(rows: int, depth: int, columns: int) -> tuple[Tensor, Tensor]:
    stream = generator(0, "route")
    left, right = (stream.standard_normal(shape) for shape in ((rows, depth), (depth, columns)))
    return torch.from_numpy(left).float(), torch.from_numpy(right).float()
