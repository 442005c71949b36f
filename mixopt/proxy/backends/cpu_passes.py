"""The decoder of one member, forward and backward, written out: products by route, loops compiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.proxy.backends.cpu_member import Array, Block, Member, Room, Workspace
from mixopt.proxy.backends.kernels import blocks, losses
from mixopt.proxy.backends.kernels.attention import Geometry, attend, attend_backward
from mixopt.proxy.config import Architecture
from mixopt.proxy.route import Route


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """The sequences of one pass, N = B T tokens."""

    inputs: NDArray[np.int64]
    """[N]"""
    targets: NDArray[np.int64]
    """[N]"""
    geometry: Geometry


class Passes:
    """Runs any member forward and backward in one workspace."""

    def __init__(self, shape: Architecture, route: Route, space: Workspace) -> None:
        """Use a workspace for the number of tokens that all passes have."""
        self.shape = shape
        self.route = route
        self.space = space

    def evaluate(self, member: Member, rows: Rows) -> Array:
        """Return the token losses [N]; the next pass overwrites them."""
        self._forward(member, rows)
        for part, logits in self._logits(member):
            losses.cross_entropy(logits.array, rows.targets[part], self.space.losses[part])
        return self.space.losses

    def train(self, member: Member, rows: Rows, weights: Array) -> Array:
        """Add the gradients of the losses times weights [N]; return the losses [N] likewise."""
        self._forward(member, rows)
        self._head_backward(member, rows, weights)
        for layer in reversed(range(self.shape.layers)):
            self._feedforward_backward(member.blocks[layer], layer)
            self._attention_backward(member.blocks[layer], layer, rows.geometry)
        blocks.embed_backward(self.space.to_stream.array, rows.inputs, member.embedding.gradient)
        return self.space.losses

    def _forward(self, member: Member, rows: Rows) -> None:
        """Fill the workspace up to the last norm."""
        space, multiply = self.space, self.route.multiply
        gains = self._gains(member)
        blocks.embed(member.embedding.weight, rows.inputs, space.streams[0])
        first = space.normeds[0].array
        blocks.norm(space.streams[0], gains[0], self.shape.norm_epsilon, first, space.scales[0])
        for layer, block in enumerate(member.blocks):
            joined, mixed = space.joineds[layer], space.mixeds[layer]
            multiply(space.normeds[2 * layer].tensor, block.query_key_value.weight, joined.tensor)
            logsums = space.logsums[layer]
            attend(joined.array, rows.geometry, space.scratch, mixed.array, logsums)
            multiply(mixed.tensor, block.attention_output.weight, space.added.tensor)
            self._add_and_norm(2 * layer + 1, gains)
            gate_up, inner = space.gate_ups[layer], space.inner
            multiply(space.normeds[2 * layer + 1].tensor, block.gate_up.weight, gate_up.tensor)
            blocks.gate(gate_up.array, inner.array)
            multiply(inner.tensor, block.down.weight, space.added.tensor)
            self._add_and_norm(2 * layer + 2, gains)

    def _gains(self, member: Member) -> list[Array]:
        """Return the gains of all norms; the last includes the gain of the logits."""
        gains = [
            norm.weight
            for block in member.blocks
            for norm in (block.attention_norm, block.feedforward_norm)
        ]
        np.multiply(member.final_norm.weight, self.shape.output_gain, out=self.space.final_gain)
        return [*gains, self.space.final_gain]

    def _add_and_norm(self, number: int, gains: list[Array]) -> None:
        space = self.space
        blocks.add_and_norm(
            (space.streams[number - 1], space.added.array, space.streams[number]),
            gains[number],
            self.shape.norm_epsilon,
            space.normeds[number].array,
            space.scales[number],
        )

    def _logits(self, member: Member) -> Iterator[tuple[slice, Room]]:
        """Yield the logits of a few tokens at a time: all of them would not stay in cache."""
        normed, tile = self.space.normeds[-1].tensor, self.space.logits
        for start in range(0, len(normed), len(tile.array)):
            part = slice(start, min(start + len(tile.array), len(normed)))
            logits = tile.first(part.stop - part.start)
            self.route.multiply(normed[part], member.head.transposed, logits.tensor)
            yield part, logits

    def _head_backward(self, member: Member, rows: Rows, weights: Array) -> None:
        space = self.space
        for part, logits in self._logits(member):
            losses.cross_entropy_backward(
                logits.array, rows.targets[part], weights[part], space.losses[part]
            )
            normed, to_normed = space.normeds[-1].tensor[part], space.added.tensor[part]
            self.route.multiply(logits.tensor, member.head.weight, to_normed)
            self.route.multiply_add(logits.tensor.t(), normed, member.head.gradient)
        space.to_stream.array[:] = 0
        space.to_final_gain[:] = 0
        self._norm_backward(-1, space.final_gain, space.to_final_gain)
        member.final_norm.gradient[:] += space.to_final_gain * self.shape.output_gain

    def _norm_backward(self, number: int, gain: Array, to_gain: Array) -> None:
        """Take the gradient of a normed stream, which is in `added`, back to the stream."""
        space = self.space
        forward = (space.streams[number], gain, space.scales[number])
        blocks.norm_backward(space.added.array, forward, space.to_stream.array, to_gain)

    def _feedforward_backward(self, block: Block, layer: int) -> None:
        space, multiply, multiply_add = self.space, self.route.multiply, self.route.multiply_add
        gate_up, inner, to_stream = space.gate_ups[layer], space.inner, space.to_stream.tensor
        multiply(to_stream, block.down.transposed, inner.tensor)
        blocks.gate_backward(gate_up.array, inner.array)
        multiply_add(inner.tensor.t(), to_stream, block.down.gradient)
        normed = space.normeds[2 * layer + 1].tensor
        multiply_add(normed.t(), gate_up.tensor, block.gate_up.gradient)
        multiply(gate_up.tensor, block.gate_up.transposed, space.added.tensor)
        norm = block.feedforward_norm
        self._norm_backward(2 * layer + 1, norm.weight, norm.gradient)

    def _attention_backward(self, block: Block, layer: int, geometry: Geometry) -> None:
        space, multiply, multiply_add = self.space, self.route.multiply, self.route.multiply_add
        joined, mixed, to_stream = space.joineds[layer], space.mixeds[layer], space.to_stream.tensor
        multiply_add(mixed.tensor.t(), to_stream, block.attention_output.gradient)
        multiply(to_stream, block.attention_output.transposed, mixed.tensor)
        attend_backward(joined.array, geometry, space.scratch, mixed.array, space.logsums[layer])
        normed = space.normeds[2 * layer].tensor
        multiply_add(normed.t(), joined.tensor, block.query_key_value.gradient)
        multiply(joined.tensor, block.query_key_value.transposed, space.added.tensor)
        norm = block.attention_norm
        self._norm_backward(2 * layer, norm.weight, norm.gradient)
