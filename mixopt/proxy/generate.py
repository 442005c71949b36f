"""Greedy decoding of a whole stack, with cached keys and values and prompts of any length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor

from mixopt.proxy import decoder
from mixopt.proxy.attention import attention_bias, rotate, split_heads
from mixopt.proxy.model import Stack
from mixopt.proxy.route import bmm

_BATCH = 32
"""Prompts decoded together: enough to fill the products, few enough to stay in cache."""


@torch.no_grad()
def greedy(
    stack: Stack,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop: int,
    vocabulary: int | None = None,
) -> list[list[list[int]]]:
    """Let every member continue every prompt with its most probable tokens.

    Args:
        stack: K members.
        prompts: n prompts of at least one token id each, the same for all members.
        max_new_tokens: how many tokens to add at most.
        stop: the token id that ends an answer; it is not part of the answer.
        vocabulary: only ids below this are chosen; the stack's whole vocabulary by default.

    Returns:
        New token ids by member and prompt, [K][n].
    """
    if not all(len(prompt) for prompt in prompts):
        message = "a prompt needs at least one token"
        raise ValueError(message)
    answers: list[list[list[int]]] = [[[] for _ in prompts] for _ in range(stack.num_members)]
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for start in range(0, len(by_length), _BATCH):
        numbers = by_length[start : start + _BATCH]
        batch = _Continuation(stack, [prompts[number] for number in numbers], max_new_tokens)
        rows = batch.run(max_new_tokens, stop, vocabulary or stack.vocabulary).tolist()
        for member, continuations in enumerate(rows):
            for number, tokens in zip(numbers, continuations, strict=True):
                answers[member][number] = list(takewhile(lambda token: token != stop, tokens))
    return answers


class _Continuation:
    """One batch of prompts, aligned at their ends, and the keys and values seen so far.

    Rotary attention depends on distances only, so padding in front changes nothing but what the
    bias hides.
    """

    def __init__(self, stack: Stack, prompts: list[Sequence[int]], max_new_tokens: int) -> None:
        shape = stack.config.architecture
        self.stack = stack
        self.weights = {name: part.contiguous() for name, part in stack.weights().items()}
        self.shape = (stack.num_members, len(prompts))
        self.tokens, present = _align(prompts, stack.parameters.device)
        prompt_length = present.shape[1]
        self.length = prompt_length + max_new_tokens
        self.table = stack.rotary_table(self.length)
        later = torch.ones(len(prompts), max_new_tokens, dtype=torch.int64, device=present.device)
        segments = torch.cat((present, later), dim=1).expand(stack.num_members, -1, -1)
        self.bias = attention_bias(self.length, segments, stack.parameters)
        rows = stack.num_members * len(prompts)
        cache = (shape.layers, 2, rows * shape.heads, self.length, shape.head_width)
        self.cache = stack.parameters.new_zeros(cache)

    def run(self, max_new_tokens: int, stop: int, vocabulary: int) -> Tensor:
        """Return the chosen ids [K, n, up to max_new_tokens], with `stop` after an answer's end."""
        members, num_prompts = self.shape
        tokens, start = self.tokens.expand(members, -1, -1), 0
        ended = torch.zeros(self.shape, dtype=torch.bool, device=tokens.device)
        chosen: list[Tensor] = []
        while len(chosen) < max_new_tokens and not bool(ended.all()):
            logits = self._advance(tokens, start)[..., :vocabulary]
            start += tokens.shape[-1]
            best = logits.argmax(dim=-1).masked_fill(ended, stop)
            ended = ended | (best == stop)
            chosen.append(best)
            tokens = best.unsqueeze(-1)
        empty = tokens.new_empty(members, num_prompts, 0)
        return torch.stack(chosen, dim=-1) if chosen else empty

    def _advance(self, tokens: Tensor, start: int) -> Tensor:
        """Read tokens [K, n, S] at positions from `start`; return the last one's logits [K, n, V]."""
        members, num_prompts, length = tokens.shape
        shape = self.stack.config.architecture
        stream = decoder.embed(self.weights, tokens.reshape(members, -1))
        for layer in range(shape.layers):
            projected = decoder.project(shape, self.weights, layer, stream)
            mixed = self._attend(layer, projected.view(-1, length, 3 * shape.width), start)
            stream = decoder.finish(shape, self.weights, layer, stream, mixed.view(stream.shape))
        last = stream.view(members, num_prompts, length, -1)[:, :, -1]
        return decoder.read_out(shape, self.weights, last)

    def _attend(self, layer: int, projected: Tensor, start: int) -> Tensor:
        """Attend from positions start.. [K * n, S, 3D] to all positions so far."""
        rows, length, columns = projected.shape
        stop = start + length
        split = split_heads(projected, self.stack.config.architecture.heads)
        table = self.table[0][start:stop], self.table[1][start:stop]
        query, key = rotate(split[:2], table)
        keys, values = self.cache[layer, :, :, :stop]
        keys[:, start:] = key.flatten(0, 1)
        values[:, start:] = split[2].flatten(0, 1)
        query = query.flatten(0, 1) * query.shape[-1] ** -0.5
        scores = bmm(query, keys.transpose(1, 2)).view(rows, -1, length, stop)
        shares = scores.add_(self.bias[:, :, start:stop, :stop]).softmax(dim=-1)
        mixed = bmm(shares.flatten(0, 1), values).view(rows, -1, length, values.shape[-1])
        return mixed.transpose(1, 2).reshape(rows, length, columns // 3)


def _align(prompts: list[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return prompts [n, T] padded in front with 0, and where they are (1) or are not (0)."""
    longest = max(len(prompt) for prompt in prompts)
    padding = [[0] * (longest - len(prompt)) for prompt in prompts]
    tokens = [front + list(prompt) for front, prompt in zip(padding, prompts, strict=True)]
    present = [front + [1] * len(prompt) for front, prompt in zip(padding, prompts, strict=True)]
    return torch.tensor(tokens, device=device), torch.tensor(present, device=device)
