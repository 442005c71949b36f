"""Rows of prompts and answers."""

from __future__ import annotations

import pytest
import torch

from mixopt.training.preferences.rows import lay_rows


def test_answers_are_targets_and_prompts_are_not() -> None:
    tokens, answers = lay_rows([[([1, 2], [3, 4, 5])]], num_rows=1, length=7, padding=9)
    assert tokens.tolist() == [[[1, 2, 3, 4, 5, 9, 9]]]
    assert tokens[..., 1:][answers].tolist() == [3, 4, 5]


def test_members_may_have_fewer_rows() -> None:
    exchanges = [[([1], [2])], []]
    tokens, answers = lay_rows(exchanges, num_rows=2, length=3, padding=0)
    assert tokens.shape == (2, 2, 3)
    assert answers.sum(dim=(1, 2)).tolist() == [1, 0]
    assert torch.equal(answers[0, 0], torch.tensor([True, False]))


def test_an_empty_answer_has_no_targets() -> None:
    _, answers = lay_rows([[([1, 2], [])]], num_rows=1, length=4, padding=0)
    assert not answers.any()


@pytest.mark.parametrize("exchange", [([], [1]), ([1, 2], [3, 4])])
def test_what_makes_no_row_is_refused(exchange: tuple[list[int], list[int]]) -> None:
    with pytest.raises(ValueError, match="make no row of 3"):
        lay_rows([[exchange]], num_rows=1, length=3, padding=0)
    with pytest.raises(ValueError, match="2 exchanges do not fit into 1 rows"):
        lay_rows([[([1], [2])] * 2], num_rows=1, length=3, padding=0)
