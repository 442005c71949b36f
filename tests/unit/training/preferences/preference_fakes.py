"""A tiny stack in float64, rows of answers, and sequences scored by plain loops."""

from __future__ import annotations

import torch
from tiny import PROXY
from torch import Tensor

from mixopt.proxy.losses import token_losses
from mixopt.proxy.model import Stack
from mixopt.seeds import generator
from mixopt.training.preferences.rows import lay_rows

VOCABULARY = 16
LENGTH = 11


def make(*seeds: int, noise: float = 0.2) -> Stack:
    """Return members whose zero-initialized projections are filled, so that they matter."""
    stack = Stack.initialize(PROXY, vocabulary=VOCABULARY, seeds=seeds, dtype=torch.float64)
    for row, seed in zip(stack.parameters, seeds, strict=True):
        row.add_(torch.from_numpy(generator(seed, "noise").standard_normal(len(row))), alpha=noise)
    return stack


def shaken(stack: Stack, by: float = 0.1) -> Stack:
    """Return members of which these might be some steps later."""
    noise = torch.from_numpy(generator(0, "shaken").standard_normal(stack.parameters.shape))
    parameters = stack.parameters + by * noise
    return Stack(stack.config, vocabulary=stack.vocabulary, parameters=parameters)


def rows(members: int, num_rows: int) -> tuple[Tensor, Tensor]:
    """Return random prompts with answers of one to six tokens."""
    stream = generator(7, "rows")
    exchanges = [
        [
            (
                stream.integers(0, VOCABULARY, int(stream.integers(1, 5))).tolist(),
                stream.integers(0, VOCABULARY, int(stream.integers(1, 7))).tolist(),
            )
            for _ in range(num_rows)
        ]
        for _ in range(members)
    ]
    return lay_rows(exchanges, num_rows=num_rows, length=LENGTH, padding=0)


def losses_of(stack: Stack, tokens: Tensor) -> Tensor:
    """Return token losses with gradients."""
    return token_losses(stack.forward(tokens[..., :-1]), tokens[..., 1:])


def gradient(stack: Stack, loss: Tensor) -> Tensor:
    """Return the gradient of a sum over members by the parameters, [K, P]."""
    stack.clear_gradients()
    torch.autograd.backward(loss.sum())
    return stack.gradients.clone()
