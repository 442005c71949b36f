"""Sampling of a whole stack: every member continues prompts of its own, at a temperature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt.proxy.attention import attention_bias
from mixopt.proxy.generate import _Continuation
from mixopt.proxy.model import Stack
from mixopt.seeds import generator

_ROWS = 64
"""Continuations of a member that are decoded together."""

_LENGTHS = 16
"""Prompts are padded to a multiple of this, so that few lengths occur."""

Prompts = Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How answers are drawn."""

    samples: int  # per prompt
    max_new_tokens: int
    stop: int  # the token id that ends an answer
    vocabulary: int  # only ids below this are drawn
    temperature: float | tuple[float, ...] = 1.0
    """Divides the logits, for all members or one by one, [K]; at 1, tokens have the probabilities
    that losses are computed from."""


@torch.no_grad()
def sample(
    stack: Stack, prompts: Sequence[Prompts], keys: Sequence[int], sampling: Sampling
) -> list[list[list[list[int]]]]:
    """Let every member continue its own prompts, several times each.

    What member k writes depends on its parameters, prompts and key only: random numbers are a
    function of the key, the prompt's place in the member's list, the sample and the position, and
    the shapes that decide rounding are a function of the member's own prompts.

    Args:
        stack: K members.
        prompts: token ids by member and prompt, [K][n_k]; none for a member that is to rest.
        keys: what names a member's randomness, [K]; derived from its seed and the occasion.
        sampling: how answers are drawn.

    Returns:
        New token ids by member, prompt and sample, [K][n_k][samples]. The stop is the last of them
        where it was drawn: without it an answer was cut off.

    Raises:
        ValueError: a prompt is empty, or the temperature is not positive.
    """
    heat = torch.tensor(sampling.temperature, dtype=torch.float64).expand(stack.num_members)
    if not (heat > 0).all() or not all(len(each) for own in prompts for each in own):
        message = "sampling needs prompts of at least one token and a positive temperature"
        raise ValueError(message)
    shape = (sampling.samples, sampling.max_new_tokens)
    draws = [
        generator(key, "sample").random((len(own), *shape))
        for own, key in zip(prompts, keys, strict=True)
    ]
    found: list[list[list[list[int]]]] = [[[] for _ in own] for own in prompts]
    for length, numbers in _batches(prompts, max(1, _ROWS // sampling.samples)):
        present = [member for member, own in enumerate(numbers) if own]
        asked = [[prompts[member][number] for number in numbers[member]] for member in present]
        batch = _Samples(stack, present, asked, length, sampling)
        uniform = _gather(draws, numbers, present, batch.num_prompts)
        rows = batch.run_at(uniform, heat[present]).tolist()
        for member, written in zip(present, rows, strict=True):
            for number, samples in zip(numbers[member], written, strict=False):
                found[member][number] = [_cut(row, sampling.stop) for row in samples]
    return found


class _Samples(_Continuation):
    """One batch of prompts of some members' own; they are read once, whatever the samples.

    Below, K are the members that have prompts in the batch.
    """

    def __init__(
        self,
        stack: Stack,
        members: list[int],
        prompts: Sequence[Prompts],
        length: int,
        sampling: Sampling,
    ) -> None:
        self.stack, self.sampling = stack, sampling
        chosen = slice(None) if len(members) == stack.num_members else members
        self.weights = {name: part[chosen].contiguous() for name, part in stack.weights().items()}
        self.num_prompts = max(1, _ROWS // sampling.samples)
        self.shape = (len(members), self.num_prompts)
        tokens, present = _lay(prompts, (*self.shape, length))
        device = stack.parameters.device
        self.tokens, self.present = tokens.to(device), present.to(device)
        self.length = length + sampling.max_new_tokens
        self.table = stack.rotary_table(self.length)
        self.bias = attention_bias(length, self.present.long(), stack.parameters)
        self.cache = self._empty(self.shape[0] * self.shape[1], length)

    def run_at(self, draws: NDArray[np.float64], temperatures: Tensor) -> Tensor:
        """Return ids [K, n, samples, up to max_new_tokens], with `stop` after an answer's end.

        Args:
            draws: uniform numbers in [0, 1), [K, n, samples, max_new_tokens].
            temperatures: [K].
        """
        sampling, (members, num_prompts) = self.sampling, self.shape
        heat = temperatures.to(self.tokens.device).view(-1, 1, 1)
        uniform = torch.from_numpy(draws).to(self.tokens.device).flatten(1, 2)
        logits = self._advance(self.tokens, 0).repeat_interleave(sampling.samples, dim=1)
        self._widen()
        idle = ~self.present.any(dim=-1)
        ended = idle.repeat_interleave(sampling.samples, dim=1)
        drawn: list[Tensor] = []
        while len(drawn) < sampling.max_new_tokens and not bool(ended.all()):
            if drawn:
                start = self.tokens.shape[-1] + len(drawn) - 1
                logits = self._advance(drawn[-1].unsqueeze(-1), start)
            chances = (logits[..., : sampling.vocabulary].double() / heat).softmax(dim=-1)
            ids = _draw(chances, uniform[..., len(drawn)])
            drawn.append(ids.masked_fill(ended, sampling.stop))
            ended = ended | (ids == sampling.stop)
        empty = self.tokens.new_empty(members, num_prompts * sampling.samples, 0)
        rows = torch.stack(drawn, dim=-1) if drawn else empty
        return rows.view(members, num_prompts, sampling.samples, -1)

    def _widen(self) -> None:
        """Give every sample a copy of what its prompt left, and room for its own tokens."""
        samples, prompt_length = self.sampling.samples, self.tokens.shape[-1]
        members, num_prompts = self.shape
        rows = members * num_prompts
        layers, heads = self.cache.shape[0], self.cache.shape[2] // rows
        seen = self.cache.view(layers, 2, rows, heads, prompt_length, -1)
        seen = seen.repeat_interleave(samples, dim=2).flatten(2, 3)
        self.cache = self._empty(rows * samples, self.length)
        self.cache[..., :prompt_length, :] = seen
        visible = self.bias.new_zeros(rows, self.length)
        visible[:, :prompt_length].masked_fill_(~self.present.flatten(0, 1), float("-inf"))
        visible = visible.repeat_interleave(samples, dim=0)[:, None, None]
        self.bias = visible.expand(-1, -1, self.length, -1)
        self.shape = (members, num_prompts * samples)

    def _empty(self, rows: int, length: int) -> Tensor:
        shape = self.stack.config.architecture
        size = (shape.layers, 2, rows * shape.heads, length, shape.head_width)
        return self.stack.parameters.new_zeros(size)


def _draw(chances: Tensor, uniform: Tensor) -> Tensor:
    """Return ids [K, N] by inverting the distribution function of chances [K, N, V] at [K, N].

    In float64: rounding must not give a token without probability.
    """
    sums = chances.cumsum(dim=-1)
    places = (uniform * sums[..., -1]).unsqueeze(-1)
    ids = torch.searchsorted(sums, places, right=True).squeeze(-1)
    return ids.clamp_max(chances.shape[-1] - 1)


def _batches(prompts: Sequence[Prompts], size: int) -> list[tuple[int, list[list[int]]]]:
    """Return padded lengths with the numbers [K][up to size] of each member's prompts of it.

    A member's prompts are grouped by its own alone, and run beside those of other members.
    """
    batches: dict[tuple[int, int], list[list[int]]] = {}
    for member, own in enumerate(prompts):
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for number, prompt in enumerate(own):
            by_length[-(-len(prompt) // _LENGTHS) * _LENGTHS].append(number)
        for length, numbers in by_length.items():
            for start in range(0, len(numbers), size):
                batch = batches.setdefault((length, start), [[] for _ in prompts])
                batch[member] = numbers[start : start + size]
    return [(length, batches[length, start]) for length, start in sorted(batches)]


def _lay(prompts: Sequence[Prompts], shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return prompts [K, n, T] aligned at their ends, and which of their places are taken."""
    tokens = torch.zeros(shape, dtype=torch.int64)
    present = torch.zeros(shape, dtype=torch.bool)
    for member, own in enumerate(prompts):
        for place, prompt in enumerate(own):
            tokens[member, place, -len(prompt) :] = torch.tensor(list(prompt))
            present[member, place, -len(prompt) :] = True
    return tokens, present


def _gather(
    draws: list[NDArray[np.float64]], numbers: list[list[int]], present: list[int], num_prompts: int
) -> NDArray[np.float64]:
    """Return the random numbers of a batch, [K present, n, samples, max_new_tokens]."""
    gathered = np.zeros((len(present), num_prompts, *draws[0].shape[1:]))
    for place, member in enumerate(present):
        gathered[place, : len(numbers[member])] = draws[member][numbers[member]]
    return gathered


def _cut(row: list[int], stop: int) -> list[int]:
    return row[: row.index(stop) + 1] if stop in row else row
