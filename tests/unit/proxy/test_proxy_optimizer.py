"""AdamW of a stack against `torch.optim.AdamW` on every member alone."""

from __future__ import annotations

import pytest
import torch
from proxy_reference import make
from torch import Tensor

from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.seeds import generator


def _gradients(step: int, size: int, scale: float) -> Tensor:
    noise = generator(step, "gradient").standard_normal((3, size))
    return scale * torch.from_numpy(noise)


def _expected(stack: Stack, member: int, rates: list[Tensor], scale: float) -> Tensor:
    """Train one row with torch's optimizer and clipping: two groups, hidden columns first."""
    training, middle = stack.config.training, stack.layout.num_hidden
    row = stack.parameters[member]
    hidden, rest = row[:middle].clone().requires_grad_(), row[middle:].clone().requires_grad_()
    groups = [
        {"params": [hidden], "weight_decay": training.weight_decay},
        {"params": [rest], "weight_decay": 0.0},
    ]
    betas = (training.beta1, training.beta2)
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=training.epsilon)
    for step, rate in enumerate(rates):
        gradient = _gradients(step, stack.num_parameters, scale)[member]
        gradient = gradient * min(1.0, training.clip_norm / float(gradient.square().sum().sqrt()))
        hidden.grad, rest.grad = gradient[:middle], gradient[middle:]
        optimizer.param_groups[0]["lr"] = float(rate[member]) * 0.5
        optimizer.param_groups[1]["lr"] = float(rate[member])
        optimizer.step()
    return torch.cat((hidden, rest)).detach()


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_every_member_follows_torch_with_its_own_rate(scale: float) -> None:
    stack = make([1, 2, 3])
    rates = [torch.tensor([1e-2, 1e-3, 0.0]) * (step + 1) for step in range(6)]
    expected = [_expected(stack, member, rates, scale) for member in range(3)]
    optimizer = AdamW(stack)
    for step, rate in enumerate(rates):
        stack.gradients.copy_(_gradients(step, stack.num_parameters, scale))
        norms = stack.gradients.norm(dim=1)
        torch.testing.assert_close(optimizer.step(rate), norms)
        assert not stack.gradients.any()
    torch.testing.assert_close(stack.parameters, torch.stack(expected), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_member_without_a_finite_gradient_is_left_alone_and_reported(bad: float) -> None:
    stack = make([1, 2, 3])
    optimizer, before = AdamW(stack), stack.parameters.clone()
    stack.gradients.fill_(1.0)
    stack.gradients[1, 3] = bad
    norms = optimizer.step(torch.full((3,), 1e-2))
    assert norms.isfinite().tolist() == [True, False, True]
    assert (stack.parameters != before).any(dim=1).tolist() == [True, False, True]
    assert not optimizer.first_moments[1].any()
    assert optimizer.steps.tolist() == [1.0, 0.0, 1.0]
    assert not stack.gradients.any()


def test_a_forked_member_continues_as_its_source() -> None:
    stack = make([1, 2, 3])
    optimizer = AdamW(stack)
    for _ in range(3):
        stack.gradients.copy_(_gradients(1, stack.num_parameters, 1.0))
        optimizer.step(torch.full((3,), 1e-2))
    moments = optimizer.first_moments, optimizer.second_moments, optimizer.steps
    for state in (stack.parameters, *moments):
        state[2] = state[0]
    stack.gradients.copy_(_gradients(2, stack.num_parameters, 1.0)[:1].expand(3, -1))
    optimizer.step(torch.full((3,), 1e-2))
    assert torch.equal(stack.parameters[0], stack.parameters[2])
    assert not torch.equal(stack.parameters[0], stack.parameters[1])


def test_resetting_one_member_forgets_its_history_only() -> None:
    stack = make([1, 2, 3])
    optimizer = AdamW(stack)
    stack.gradients.fill_(1.0)
    optimizer.step(torch.full((3,), 1e-2))
    optimizer.reset(1)
    assert optimizer.steps.tolist() == [1.0, 0.0, 1.0]
    assert optimizer.second_moments.any(dim=1).tolist() == [True, False, True]
    optimizer.reset()
    assert not optimizer.first_moments.any()
    assert not optimizer.steps.any()
