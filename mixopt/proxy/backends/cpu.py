"""The CPU backend: one member at a time, so that all it works on stays in a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from llvmlite.binding import get_host_cpu_name
from numpy.typing import NDArray
from torch import Tensor

from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.cpu_member import Member, Workspace, view_member
from mixopt.proxy.backends.cpu_passes import Passes, Rows
from mixopt.proxy.backends.kernels.attention import Geometry, find_earliest, padded_length
from mixopt.proxy.model import Stack
from mixopt.proxy.route import confined, find_route

_PASS_TOKENS = 1024
"""Tokens of one pass: what fills the products; room for more would be read from ever further away."""

_MOST_WORKSPACES = 4


class CpuBackend:
    """Explicit forward and backward passes; gradients are written into the stack's rows."""

    def __init__(self, stack: Stack) -> None:
        """Run a stack that lies in main memory."""
        self.stack = stack
        rounding = stack.parameters.dtype == torch.float32
        precision = stack.config.training.precision if rounding else "float32"
        self._route = find_route(precision)
        self._spaces: dict[tuple[int, int, float], Passes] = {}
        self._members: dict[int, Member] = {}

    @property
    def fingerprint(self) -> str:
        """See `Backend.fingerprint`; the processor decides how wide sums are."""
        dtype = str(self.stack.parameters.dtype).removeprefix("torch.")
        return f"cpu {dtype} {self._route.name} {get_host_cpu_name()}"

    def train(self, batch: Batch, live: Sequence[int]) -> Tensor:
        """See `Backend.train`."""
        text = _Text(batch.tokens, batch.segments)
        dtype = self.stack.parameters.dtype
        weights = None if batch.weights is None else batch.weights.to(dtype).numpy()
        sums = torch.full((self.stack.num_members,), torch.nan, dtype=dtype)
        with confined():
            for slot in live:
                total = 0.0
                for passes, part in self._pieces(text):
                    counts = passes.space.counts
                    counts[:] = (
                        1 / text.num_tokens if weights is None else weights[slot, part].reshape(-1)
                    )
                    losses = passes.train(self._member(slot), self._rows(text, slot, part), counts)
                    total += float(np.dot(losses.astype(np.float64), counts))
                sums[slot] = total
        return sums

    def token_losses(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """See `Backend.token_losses`."""
        text = _Text(tokens, segments)
        members = self.stack.num_members
        losses = torch.empty(members, *text.shape, dtype=self.stack.parameters.dtype)
        with confined():
            for slot in range(members):
                for passes, part in self._pieces(text):
                    found = passes.evaluate(self._member(slot), self._rows(text, slot, part))
                    losses.numpy()[slot, part] = found.reshape(-1, text.shape[1])
        return losses

    def _member(self, slot: int) -> Member:
        if slot not in self._members:
            self._members[slot] = view_member(self.stack, slot)
        return self._members[slot]

    def _pieces(self, text: _Text) -> Iterator[tuple[Passes, slice]]:
        """Cut the sequences of a member into passes of about equal size."""
        batch, length = text.shape
        pieces = -(-batch // max(1, _PASS_TOKENS // length))
        step = -(-batch // pieces) if pieces else 1
        for start in range(0, batch, step):
            part = slice(start, min(start + step, batch))
            yield self._passes(part.stop - part.start, length), part

    def _passes(self, batch: int, length: int) -> Passes:
        key = batch, length, self.stack.rope_scale
        if key not in self._spaces:
            if len(self._spaces) >= _MOST_WORKSPACES:
                self._spaces.pop(next(iter(self._spaces)))
            space = Workspace(self.stack, batch, length)
            self._spaces[key] = Passes(self.stack.config.architecture, self._route, space)
        return self._spaces[key]

    def _rows(self, text: _Text, slot: int, part: slice) -> Rows:
        length = text.shape[1]
        space = self._passes(part.stop - part.start, length).space
        tokens = text.tokens[slot % len(text.tokens), part]
        segments, earliest = space.one_segment, space.from_start
        if text.segments is not None:
            segments = text.segments[slot % len(text.segments), part]
            earliest = np.empty_like(segments)
            find_earliest(segments, earliest)
        return Rows(
            inputs=np.ascontiguousarray(tokens[:, :-1]).reshape(-1),
            targets=np.ascontiguousarray(tokens[:, 1:]).reshape(-1),
            geometry=Geometry(*space.rotary, segments, earliest),
        )


class _Text:
    """The rows of one call, as loops read them."""

    def __init__(self, tokens: Tensor, segments: Tensor | None) -> None:
        """Read tokens [K or 1, B, T+1] and their segments."""
        self.tokens: NDArray[np.int64] = tokens.to(torch.int64).numpy()
        self.segments: NDArray[np.int32] | None = None
        self.shape = tokens.shape[1], tokens.shape[2] - 1
        if segments is not None:
            inner = segments[..., :-1].to(torch.int32).numpy()
            # Every token of padding is a segment of its own: it sees itself, and nothing sees it.
            alone = -1 - np.arange(inner.shape[-1], dtype=np.int32)
            numbers = np.where(inner == 0, alone, inner)
            extra = padded_length(self.shape[1]) - self.shape[1]
            self.segments = np.pad(numbers, ((0, 0), (0, 0), (0, extra)), mode="edge")

    @property
    def num_tokens(self) -> int:
        """Targets of one member."""
        return self.shape[0] * self.shape[1]
