"""A plain decoder of one member, written from the papers, and small stacks to hold against it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy.config import Architecture, ProxyRecipe, Training
from mixopt.proxy.losses import token_losses
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.seeds import generator

VOCABULARY = 24


def recipe(*, tied: bool = True, base_width: int = 8, clip_norm: float = 1.0) -> ProxyRecipe:
    architecture = Architecture(
        width=16, layers=2, heads=2, feedforward=20, tied_head=tied, base_width=base_width
    )
    training = Training(
        context=12,
        sequences=3,
        lm_tokens=4096,
        sft_tokens=4096,
        learning_rate=1e-2,
        sft_learning_rate=1e-3,
        clip_norm=clip_norm,
    )
    return ProxyRecipe(name="tiny", architecture=architecture, training=training)


def make(seeds: Sequence[int], *, tied: bool = True, dtype: torch.dtype = torch.float64) -> Stack:
    """Return a stack whose zero-initialized projections are filled, so that they matter."""
    stack = Stack.initialize(recipe(tied=tied), vocabulary=VOCABULARY, seeds=seeds, dtype=dtype)
    for row, seed in zip(stack.parameters, seeds, strict=True):
        noise = generator(seed, "noise").standard_normal(stack.num_parameters)
        row.add_(torch.from_numpy(noise).to(dtype), alpha=0.1)
    return stack


def random_tokens(seeds: Sequence[int], *shape: int) -> Tensor:
    draws = [generator(seed, "tokens").integers(0, VOCABULARY, shape) for seed in seeds]
    return torch.stack([torch.from_numpy(draw) for draw in draws])


def loss(stack: Stack, tokens: Tensor) -> Tensor:
    """Return the mean loss of every member, [K]."""
    return token_losses(stack.forward(tokens[..., :-1]), tokens[..., 1:]).mean(dim=(1, 2))


def train(stack: Stack, tokens: Tensor, rates: Tensor, steps: int) -> Tensor:
    """Train a few steps; return the loss of every step and member [steps, K]."""
    optimizer, history = AdamW(stack), []
    for step in range(steps):
        losses = loss(stack, tokens.roll(step, dims=1)[:, :3])
        torch.autograd.backward(losses.sum())
        optimizer.step(rates)
        history.append(losses.detach())
    return torch.stack(history)


def reference_logits(config: ProxyRecipe, weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits [T, V] of one sequence [T]: loops over heads and positions, nothing shared."""
    shape = config.architecture
    stream = weights["embedding"][tokens]
    for layer in range(shape.layers):
        part = {
            name.removeprefix(f"layers.{layer}."): weight
            for name, weight in weights.items()
            if name.startswith(f"layers.{layer}.")
        }
        normed = _norm(stream, part["attention_norm"], shape.norm_epsilon)
        stream = stream + _attention(shape, part, normed) @ part["attention_output"]
        normed = _norm(stream, part["feedforward_norm"], shape.norm_epsilon)
        gate = normed @ part["gate_up"][:, : shape.feedforward]
        up = normed @ part["gate_up"][:, shape.feedforward :]
        stream = stream + (gate / (1 + torch.exp(-gate)) * up) @ part["down"]
    head = weights["embedding"] if shape.tied_head else weights["head"]
    gain = shape.base_width / shape.width
    return _norm(stream, weights["final_norm"], shape.norm_epsilon) @ head.T * gain


def _norm(features: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    return features / torch.sqrt((features**2).mean(-1, keepdim=True) + epsilon) * gain


def _attention(shape: Architecture, part: dict[str, Tensor], normed: Tensor) -> Tensor:
    size = shape.width // shape.heads
    joined = normed @ part["query_key_value"]
    rows = []
    for now in range(len(normed)):
        mixed = []
        for head in range(shape.heads):
            columns = [slice(k * shape.width + head * size, None) for k in range(3)]
            query = _turn(joined[now, columns[0]][:size], now, shape.rope_base)
            keys = [
                _turn(joined[then, columns[1]][:size], then, shape.rope_base)
                for then in range(now + 1)
            ]
            values = joined[: now + 1, columns[2]][:, :size]
            scores = torch.stack(keys) @ query / math.sqrt(size)
            mixed.append(torch.softmax(scores, 0) @ values)
        rows.append(torch.cat(mixed))
    return torch.stack(rows)


def _turn(vector: Tensor, position: int, base: float) -> Tensor:
    """Rotate the pairs (i, i + half) of a head by position * base^(-2i / size), as in Llama."""
    size, turned = len(vector), [vector[0]] * len(vector)
    for number in range(size // 2):
        angle = position * base ** (-2 * number / size)
        first, second = vector[number], vector[number + size // 2]
        turned[number] = first * math.cos(angle) - second * math.sin(angle)
        turned[number + size // 2] = second * math.cos(angle) + first * math.sin(angle)
    return torch.stack(turned)
