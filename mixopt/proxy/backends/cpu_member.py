"""One member of a stack and the room it is computed in, as matrices and as arrays of loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt.proxy.backends.kernels.attention import Scratch, make_scratch, padded_length
from mixopt.proxy.model import Stack

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """A weight [D, F] that features multiply from the left, and its gradient: views of two rows."""

    weight: Tensor
    transposed: Tensor
    gradient: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A parameter that loops read, and its gradient: views of two rows."""

    weight: Array
    gradient: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The parameters of one layer."""

    attention_norm: Table
    query_key_value: Matrix
    attention_output: Matrix
    feedforward_norm: Table
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """The parameters of one member."""

    embedding: Table
    blocks: tuple[Block, ...]
    final_norm: Table
    head: Matrix
    """[V, D]; of a tied head the embedding again."""


def view_member(stack: Stack, slot: int) -> Member:
    """Return the parameters and gradients in a slot; what is written to them is in the stack."""
    weights = {name: part[slot].detach() for name, part in stack.weights().items()}
    gradients = {name: part[slot] for name, part in stack.named_gradients().items()}
    shape = stack.config.architecture
    return Member(
        embedding=_table(weights, gradients, "embedding"),
        blocks=tuple(_block(weights, gradients, layer) for layer in range(shape.layers)),
        final_norm=_table(weights, gradients, "final_norm"),
        head=_matrix(weights, gradients, "embedding" if shape.tied_head else "head"),
    )


_Parts = Mapping[str, Tensor]


def _block(weights: _Parts, gradients: _Parts, layer: int) -> Block:
    name = f"layers.{layer}"
    return Block(
        attention_norm=_table(weights, gradients, f"{name}.attention_norm"),
        query_key_value=_matrix(weights, gradients, f"{name}.query_key_value"),
        attention_output=_matrix(weights, gradients, f"{name}.attention_output"),
        feedforward_norm=_table(weights, gradients, f"{name}.feedforward_norm"),
        gate_up=_matrix(weights, gradients, f"{name}.gate_up"),
        down=_matrix(weights, gradients, f"{name}.down"),
    )


def _matrix(weights: _Parts, gradients: _Parts, name: str) -> Matrix:
    weight = weights[name]
    return Matrix(weight=weight, transposed=weight.t(), gradient=gradients[name])


def _table(weights: _Parts, gradients: _Parts, name: str) -> Table:
    return Table(weight=weights[name].numpy(), gradient=gradients[name].numpy())


class Room:
    """A matrix [N, F] that products and loops share."""

    def __init__(self, rows: int, columns: int, dtype: torch.dtype) -> None:
        self.tensor = torch.empty(rows, columns, dtype=dtype)
        self.array: Array = self.tensor.numpy()

    def first(self, rows: int) -> Room:
        """Return the first rows as room of their own."""
        if rows == len(self.array):
            return self
        part = Room.__new__(Room)
        part.tensor, part.array = self.tensor[:rows], self.array[:rows]
        return part


class Workspace:
    """Room for the passes of one member over N = B T tokens, used again for every member and step.

    Names that end in `s` hold one entry per layer or norm: what backward needs of forward.
    """

    def __init__(self, stack: Stack, batch: int, length: int) -> None:
        """Allocate for `batch` sequences of `length` tokens."""
        shape, dtype = stack.config.architecture, stack.parameters.dtype
        num_tokens, width, layers = batch * length, shape.width, shape.layers

        def room(columns: int) -> Room:
            return Room(num_tokens, columns, dtype)

        self.streams = [room(width).array for _ in range(2 * layers + 1)]
        self.normeds = [room(width) for _ in range(2 * layers + 1)]
        self.scales = [room(1).array.reshape(-1) for _ in range(2 * layers + 1)]
        self.joineds = [room(3 * width) for _ in range(layers)]
        self.mixeds = [room(width) for _ in range(layers)]
        self.gate_ups = [room(2 * shape.feedforward) for _ in range(layers)]
        self.inner = room(shape.feedforward)
        self.added = room(width)
        self.to_stream = room(width)
        self.logsums = [
            np.empty((batch, shape.heads, padded_length(length)), self.added.array.dtype)
            for _ in range(layers)
        ]
        rows = max(1, min(num_tokens, _LOGITS // stack.vocabulary))
        self.logits = Room(rows, stack.vocabulary, dtype)
        self.final_gain: Array = np.empty(width, self.added.array.dtype)
        self.to_final_gain: Array = np.empty(width, self.added.array.dtype)
        self.losses: Array = np.empty(num_tokens, self.added.array.dtype)
        self.counts: Array = np.empty(num_tokens, self.added.array.dtype)
        self.one_segment: NDArray[np.int32] = np.zeros((batch, padded_length(length)), np.int32)
        self.from_start: NDArray[np.int32] = np.zeros((batch, padded_length(length)), np.int32)
        cosine, sine = stack.rotary_table(length)
        self.rotary: tuple[Array, Array] = cosine.t().numpy().copy(), sine.t().numpy().copy()
        self.scratch: Scratch = make_scratch(length, shape.head_width, self.added.array.dtype)


_LOGITS = 2**18
"""Logits at once: what stays in cache from product to softmax to product."""
