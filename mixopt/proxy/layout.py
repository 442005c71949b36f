"""Where each named parameter of a proxy lies in its flat row, and how it is initialized."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.proxy.config import Architecture
from mixopt.seeds import generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One named parameter and its columns in the flat row."""

    name: str
    shape: tuple[int, ...]
    """Matrices are [in, out], so that features multiply from the left; tables are [V, D]."""
    start: int
    """First column in the row."""
    deviation: float | None
    """Standard deviation of its normal initialization, 0 for zeros, None for ones."""

    @property
    def stop(self) -> int:
        """One past the last column in the row."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """All parameters of one proxy: first the hidden matrices, then tables and norms."""

    leaves: tuple[Leaf, ...]
    num_hidden: int
    """Columns that belong to hidden matrices: they decay and have the hidden learning rate."""
    num_parameters: int


def lay_out(architecture: Architecture, vocabulary: int) -> Layout:
    """Return the layout of a proxy with `vocabulary` token ids."""
    hidden = _hidden_shapes(architecture)
    shapes = hidden | _other_shapes(architecture, vocabulary)
    leaves: list[Leaf] = []
    start = 0
    for name, (shape, deviation) in shapes.items():
        leaf = Leaf(name=name, shape=shape, start=start, deviation=deviation)
        leaves.append(leaf)
        start = leaf.stop
    num_hidden = leaves[len(hidden) - 1].stop
    return Layout(leaves=tuple(leaves), num_hidden=num_hidden, num_parameters=start)


def initial_row(layout: Layout, seed: int) -> NDArray[np.float64]:
    """Return the initial parameters [P] of a member; a function of its seed alone.

    Every parameter has a stream of its own, named after it, so adding one leaves the others be.
    """
    row = np.empty(layout.num_parameters)
    for leaf in layout.leaves:
        columns = slice(leaf.start, leaf.stop)
        if leaf.deviation is None:
            row[columns] = 1.0
        elif leaf.deviation == 0.0:
            row[columns] = 0.0
        else:
            stream = generator(seed, "init", leaf.name)
            row[columns] = leaf.deviation * stream.standard_normal(leaf.stop - leaf.start)
    return row


_Shapes = dict[str, tuple[tuple[int, ...], float | None]]


def _hidden_shapes(architecture: Architecture) -> _Shapes:
    """Name the hidden matrices: 1/sqrt(fan-in), and zero where they write to the residual."""
    width, feedforward = architecture.width, architecture.feedforward
    deviation = width**-0.5
    shapes: _Shapes = {}
    for layer in range(architecture.layers):
        shapes[f"layers.{layer}.query_key_value"] = ((width, 3 * width), deviation)
        shapes[f"layers.{layer}.attention_output"] = ((width, width), 0.0)
        shapes[f"layers.{layer}.gate_up"] = ((width, 2 * feedforward), deviation)
        shapes[f"layers.{layer}.down"] = ((feedforward, width), 0.0)
    return shapes


def _other_shapes(architecture: Architecture, vocabulary: int) -> _Shapes:
    """Name the tables and norms; tables keep the deviation of the base width at every width."""
    width = architecture.width
    table = ((vocabulary, width), architecture.base_width**-0.5)
    shapes: _Shapes = {"embedding": table}
    if not architecture.tied_head:
        shapes["head"] = table
    for layer in range(architecture.layers):
        shapes[f"layers.{layer}.attention_norm"] = ((width,), None)
        shapes[f"layers.{layer}.feedforward_norm"] = ((width,), None)
    shapes["final_norm"] = ((width,), None)
    return shapes
