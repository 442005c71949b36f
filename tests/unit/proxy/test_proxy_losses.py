"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import torch
from proxy_reference import make, random_tokens, reference_logits

from mixopt.proxy.losses import mean_loss, sequence_log_probabilities, token_losses


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


def test_sequence_log_probabilities_sum_over_the_marked_tokens() -> None:
    stack, tokens = make([1, 2]), random_tokens([3], 2, 7)
    mask = torch.zeros(1, 2, 7, dtype=torch.bool)
    mask[0, 0, 4:] = True
    mask[0, 1, [0, 2]] = True
    scores = sequence_log_probabilities(stack, tokens, mask)
    for member in range(2):
        weights = {name: part[member].detach() for name, part in stack.weights().items()}
        first = reference_logits(stack.config, weights, tokens[0, 0]).log_softmax(-1)
        second = reference_logits(stack.config, weights, tokens[0, 1]).log_softmax(-1)
        expected = sum(first[at - 1, tokens[0, 0, at]] for at in (4, 5, 6))
        assert abs(scores[member, 0] - expected) < 1e-11
        assert abs(scores[member, 1] - second[1, tokens[0, 1, 2]]) < 1e-11


def test_packed_sequences_score_as_they_do_alone() -> None:
    stack, tokens = make([1, 2]), random_tokens([3], 1, 12)
    segments = torch.tensor([[[1] * 5 + [2] * 7]])
    mask = torch.zeros(1, 1, 12, dtype=torch.bool)
    mask[..., 8:] = True
    packed = sequence_log_probabilities(stack, tokens, mask, segments)
    alone = sequence_log_probabilities(stack, tokens[..., 5:], mask[..., 5:])
    torch.testing.assert_close(packed, alone, rtol=0, atol=1e-11)
