from __future__ import annotations

import pytest
import torch
from tiny import PROXY
from torch.nn import functional

from mixopt import seeds
from mixopt.proxy.model import Stack
from mixopt.training.feed import StackBatch
from mixopt.training.stages import lm, sft

_TOKENS = torch.tensor([[[9, 4, 7, 1, 9, 3, 8, 2]], [[1, 2, 3, 4, 5, 6, 7, 8]]])
_SEGMENTS = torch.tensor([[[1, 1, 1, 1, 2, 2, 2, 0]]]).expand(2, -1, -1)
_ANSWERS = torch.tensor([[[0, 0, 1, 1, 0, 1, 1, 0]]]).bool().expand(2, -1, -1)


def _stack() -> Stack:
    stack = Stack.initialize(PROXY, vocabulary=16, seeds=[1, 2])
    noise = seeds.generator(0, "stages").standard_normal(tuple(stack.parameters.shape))
    stack.parameters += 0.1 * torch.from_numpy(noise)  # a fresh member attends to nothing
    return stack


def _losses_by_hand(stack: Stack, member: int, tokens: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of every token but the first of one plain sequence."""
    alone = Stack(PROXY, vocabulary=16, parameters=stack.parameters[member : member + 1].clone())
    logits = alone.forward(tokens[None, None, :-1])[0, 0]
    return functional.cross_entropy(logits.double(), tokens[1:], reduction="none").detach()


def test_lm_loss_is_the_mean_cross_entropy_of_every_member() -> None:
    stack = _stack()
    found = lm.loss(stack, StackBatch(tokens=_TOKENS, answers=None, segments=None))
    for member in range(2):
        expected = _losses_by_hand(stack, member, _TOKENS[member, 0]).mean().item()
        assert found[member].item() == pytest.approx(expected, rel=1e-5)


def test_sft_loss_counts_answers_of_examples_that_stand_alone() -> None:
    stack = _stack()
    found = sft.loss(stack, StackBatch(tokens=_TOKENS, answers=_ANSWERS, segments=_SEGMENTS))
    for member in range(2):
        first = _losses_by_hand(stack, member, _TOKENS[member, 0, :4])[1:]
        second = _losses_by_hand(stack, member, _TOKENS[member, 0, 4:7])
        expected = torch.cat((first, second)).mean().item()
        assert found[member].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("position", "matters"), [(0, True), (1, True), (4, False), (7, False)])
def test_another_example_of_the_row_changes_nothing(*, position: int, matters: bool) -> None:
    stack = _stack()
    answers = _ANSWERS & (_SEGMENTS == 1)
    changed = _TOKENS.clone()
    changed[..., position] = 15
    before, after = (
        sft.loss(stack, StackBatch(tokens=tokens, answers=answers, segments=_SEGMENTS))
        for tokens in (_TOKENS, changed)
    )
    assert torch.equal(before, after) is not matters


def test_sft_refuses_plain_text() -> None:
    batch = StackBatch(tokens=_TOKENS, answers=None, segments=None)
    with pytest.raises(ValueError, match="needs conversations"):
        sft.loss(_stack(), batch)
