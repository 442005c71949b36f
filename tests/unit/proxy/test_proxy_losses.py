"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import torch

from mixopt.proxy.losses import token_losses


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
