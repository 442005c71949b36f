"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import torch
from proxy_reference import make, random_tokens

from mixopt.proxy.losses import mean_loss, token_losses


def test_token_losses_are_negative_log_probabilities_in_nats() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)], [2.0, 2.0]]]], dtype=torch.float64)
    losses = token_losses(logits, torch.tensor([[[0, 1]]]))
    expected = torch.tensor([[[math.log(4.0), math.log(2.0)]]], dtype=torch.float64)
    torch.testing.assert_close(losses, expected)


def test_targets_may_be_shared_by_all_members() -> None:
    logits = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([[[0, 1, 2, 3], [4, 3, 2, 1]]])
    shared = token_losses(logits, targets)
    assert torch.equal(shared, token_losses(logits, targets.repeat(3, 1, 1)))


def test_mean_loss_counts_masked_tokens_of_each_member_only() -> None:
    losses = torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 9.0]], [[7.0, 7.0, 7.0]]])
    mask = torch.tensor([[[True, False, True]], [[False, False, True]], [[False] * 3]])
    assert mean_loss(losses).tolist() == [2.0, 6.0, 7.0]
    assert mean_loss(losses, mask).tolist() == [2.0, 9.0, 0.0]
    assert mean_loss(losses, mask[:1]).tolist() == [2.0, 6.5, 7.0]


def test_a_masked_token_has_no_gradient() -> None:
    stack, tokens = make([1]), random_tokens([1], 1, 9)
    mask = torch.zeros(1, 1, 8, dtype=torch.bool)
    torch.autograd.backward(
        mean_loss(token_losses(stack.forward(tokens[..., :-1]), tokens[..., 1:]), mask).sum()
    )
    assert not stack.gradients.any()
