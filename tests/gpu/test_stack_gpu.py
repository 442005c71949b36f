"""The stack on a CUDA device computes what it computes on the CPU."""

from __future__ import annotations

import pytest
import torch

from mixopt.proxy.config import read_proxy
from mixopt.proxy.generate import greedy
from mixopt.proxy.losses import token_losses
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.seeds import generator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SEEDS = [1, 2, 3]


def _stack(device: str, seeds: list[int], dtype: torch.dtype) -> Stack:
    nano = read_proxy("nano")
    return Stack.initialize(nano, vocabulary=264, seeds=seeds, dtype=dtype, device=device)


def _train(stack: Stack, tokens: torch.Tensor, steps: int) -> torch.Tensor:
    optimizer, history = make_optimizer(stack), []
    rates = torch.full((stack.num_members,), 1e-3)
    for _ in range(steps):
        logits = stack.forward(tokens[..., :-1])
        losses = token_losses(logits, tokens[..., 1:]).mean(dim=(1, 2))
        torch.autograd.backward(losses.sum())
        optimizer.step(rates)
        history.append(losses.detach().cpu())
    return torch.stack(history)


def _tokens(length: int) -> torch.Tensor:
    return torch.from_numpy(generator(1, "tokens").integers(0, 257, (3, 4, length)))


@pytest.mark.parametrize("length", [65, 385])
def test_training_equals_the_cpu_in_float64(length: int) -> None:
    tokens = _tokens(length)
    here = _train(_stack("cpu", SEEDS, torch.float64), tokens, 3)
    there = _train(_stack("cuda", SEEDS, torch.float64), tokens.cuda(), 3)
    torch.testing.assert_close(there, here, rtol=0, atol=1e-9)


def test_a_member_trains_as_it_does_alone() -> None:
    tokens = _tokens(65).cuda()
    together = _train(_stack("cuda", SEEDS, torch.float32), tokens, 5)
    alone = _train(_stack("cuda", SEEDS[1:2], torch.float32), tokens[1:2], 5)
    torch.testing.assert_close(together[:, 1:2], alone, rtol=0, atol=1e-4)


def test_decoding_equals_the_cpu() -> None:
    prompts = [[1, 2, 3], [200] * 7, [9]]
    answers = [
        greedy(_stack(device, SEEDS, torch.float64), prompts, max_new_tokens=6, stop=300)
        for device in ("cpu", "cuda")
    ]
    assert answers[0] == answers[1]
