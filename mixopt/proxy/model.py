"""The stack: K Llama-shaped decoders of one shape that run and learn as one model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy import attention, decoder
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.layout import Layout, initial_row, lay_out

_VOCABULARY_MULTIPLE = 8


def padded_vocabulary(size: int) -> int:
    """Return the vocabulary to give a stack for `size` token ids: the next multiple of 8.

    The ids beyond `size` never occur, and a proxy learns that within its first steps.
    """
    return -(-size // _VOCABULARY_MULTIPLE) * _VOCABULARY_MULTIPLE


class Stack:
    """K members whose parameters have a leading proxy axis.

    `parameters` and `gradients` are one buffer [K, P] each, and `backward` accumulates into the
    latter in place: clearing all gradients is one call, and copying a row forks a member.
    """

    def __init__(self, config: ProxyRecipe, *, vocabulary: int, parameters: Tensor) -> None:
        """Wrap a buffer [K, P] of parameters; `initialize` makes a fresh one."""
        self.config = config
        self.vocabulary = vocabulary
        self.layout: Layout = lay_out(config.architecture, vocabulary)
        if parameters.ndim != 2 or parameters.shape[1] != self.layout.num_parameters:
            message = f"expected [K, {self.layout.num_parameters}], got {tuple(parameters.shape)}"
            raise ValueError(message)
        self.parameters = parameters
        self.gradients = torch.zeros_like(parameters)
        # One autograd leaf that shares both buffers, so that the buffers may be written freely.
        self._root = parameters.detach().requires_grad_()
        self._root.grad = self.gradients
        self.rope_scale = 1.0
        """Multiple of the recipe's rotary base; may be set anew between calls."""
        self._tables: dict[tuple[int, float], tuple[Tensor, Tensor]] = {}

    @classmethod
    def initialize(
        cls,
        config: ProxyRecipe,
        *,
        vocabulary: int,
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Stack:
        """Return a stack with one member per seed; a member depends on its own seed only."""
        layout = lay_out(config.architecture, vocabulary)
        rows = [torch.from_numpy(initial_row(layout, seed)) for seed in seeds]
        parameters = torch.stack(rows).to(dtype=dtype, device=device)
        return cls(config, vocabulary=vocabulary, parameters=parameters)

    @property
    def num_members(self) -> int:
        """K."""
        return self.parameters.shape[0]

    @property
    def num_parameters(self) -> int:
        """Parameters of one member, P."""
        return self.parameters.shape[1]

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the logits of the next token at every position.

        Args:
            tokens: ids [K, B, T].
            segments: [K, B, T]; attention stays within equal non-zero segments, 0 is padding.

        Returns:
            Logits [K, B, T, V].
        """
        members, batch, length = tokens.shape
        shape, weights = self.config.architecture, self.weights()
        bias = attention.attention_bias(length, segments, self.parameters)
        table = self.rotary_table(length)
        stream = decoder.embed(weights, tokens.reshape(members, -1))
        for layer in range(shape.layers):
            projected = decoder.project(shape, weights, layer, stream)
            rows = projected.view(members * batch, length, -1)
            mixed = attention.attention(rows, table, bias, shape.heads).view(stream.shape)
            stream = decoder.finish(shape, weights, layer, stream, mixed)
        return decoder.read_out(shape, weights, stream).view(*tokens.shape, self.vocabulary)

    def weights(self) -> decoder.Weights:
        """Return the parameters by name, [K, ...]; products of them are differentiated."""
        return self._views(self._root)

    def named_gradients(self) -> decoder.Weights:
        """Return the gradients by name, [K, ...]: views of the gradient buffer."""
        return self._views(self.gradients)

    def rotary_table(self, length: int) -> tuple[Tensor, Tensor]:
        """Return the rotary cosines and sines of positions 0 to length - 1, kept for next time."""
        key = length, self.rope_scale
        if key not in self._tables:
            shape = self.config.architecture
            self._tables[key] = attention.rotary_table(
                length, shape.head_width, shape.rope_base * self.rope_scale, self.parameters
            )
        return self._tables[key]

    def clear_gradients(self) -> None:
        """Zero the gradients of all members."""
        self.gradients.zero_()

    def _views(self, buffer: Tensor) -> dict[str, Tensor]:
        sizes = [leaf.stop - leaf.start for leaf in self.layout.leaves]
        parts = buffer.split_with_sizes(sizes, dim=1)
        return {
            leaf.name: part.view(-1, *leaf.shape)
            for leaf, part in zip(self.layout.leaves, parts, strict=True)
        }
