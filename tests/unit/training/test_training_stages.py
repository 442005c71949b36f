from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import PROXY
from torch.nn import functional

from mixopt import seeds
from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.model import Stack
from mixopt.training.stages import lm, sft

_TOKENS = np.array([[[9, 4, 7, 1, 9, 3, 8, 2]], [[1, 2, 3, 4, 5, 6, 7, 8]]])
_SEGMENTS = np.array([[[1, 1, 1, 1, 2, 2, 2, 0]]] * 2, np.int32)
_ANSWERS = np.array([[[0, 0, 1, 1, 0, 1, 1, 0]]] * 2, bool)


def _stack() -> Stack:
    stack = Stack.initialize(PROXY, vocabulary=16, seeds=[1, 2])
    noise = seeds.generator(0, "stages").standard_normal(tuple(stack.parameters.shape))
    stack.parameters += 0.1 * torch.from_numpy(noise)  # a fresh member attends to nothing
    return stack


def _losses(batch: Batch) -> torch.Tensor:
    return ReferenceBackend(_stack()).train(batch, [0, 1])


def _losses_by_hand(member: int, row: NDArray[np.int64]) -> torch.Tensor:
    """Return the cross-entropy of every token but the first of one plain sequence."""
    parameters = _stack().parameters[member : member + 1].clone()
    tokens = torch.from_numpy(row)
    logits = Stack(PROXY, vocabulary=16, parameters=parameters).forward(tokens[None, None, :-1])
    return functional.cross_entropy(logits[0, 0].double(), tokens[1:], reduction="none").detach()


def test_lm_loss_is_the_mean_cross_entropy_of_every_member() -> None:
    found = _losses(lm.batch(Rows(tokens=_TOKENS)))
    for member in range(2):
        expected = _losses_by_hand(member, _TOKENS[member, 0]).mean().item()
        assert found[member].item() == pytest.approx(expected, rel=1e-5)


def test_sft_loss_counts_answers_of_examples_that_stand_alone() -> None:
    found = _losses(sft.batch(Rows(tokens=_TOKENS, answers=_ANSWERS, segments=_SEGMENTS)))
    for member in range(2):
        first = _losses_by_hand(member, _TOKENS[member, 0, :4])[1:]
        second = _losses_by_hand(member, _TOKENS[member, 0, 4:7])
        expected = torch.cat((first, second)).mean().item()
        assert found[member].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("position", "matters"), [(0, True), (1, True), (4, False), (7, False)])
def test_another_example_of_the_row_changes_nothing(*, position: int, matters: bool) -> None:
    answers = _ANSWERS & (_SEGMENTS == 1)
    changed = _TOKENS.copy()
    changed[..., position] = 15
    before, after = (
        _losses(sft.batch(Rows(tokens=tokens, answers=answers, segments=_SEGMENTS)))
        for tokens in (_TOKENS, changed)
    )
    assert torch.equal(before, after) is not matters


def test_a_member_without_answers_has_no_weights() -> None:
    answers = _ANSWERS.copy()
    answers[1] = False
    batch = sft.batch(Rows(tokens=_TOKENS, answers=answers, segments=_SEGMENTS))
    assert batch.weights is not None
    assert batch.weights.sum(dim=(1, 2)).tolist() == pytest.approx([1.0, 0.0])
    assert _losses(batch)[1].item() == 0.0


def test_sft_refuses_plain_text() -> None:
    with pytest.raises(ValueError, match="needs conversations"):
        sft.batch(Rows(tokens=_TOKENS))
