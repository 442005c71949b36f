"""Judged pairs, and those that would teach nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import sample_problems
from mixopt.training.preferences.judged import AnswerPair, judge_pairs, length_bias


class _ByLength:
    """A judge that likes long answers, and keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def score(self, problem: Problem, answers: Sequence[str]) -> list[float]:
        self.seen.append(problem.question)
        return [float(len(answer)) for answer in answers]


def _problems(count: int) -> list[Problem]:
    return sample_problems("copying", level=4, split="train", count=count, seed=0)


def test_the_best_stands_against_the_worst() -> None:
    found = judge_pairs(_problems(1), [["bb", "a", "cccc", "dddd", "e"]], _ByLength())
    pair = AnswerPair(problem=0, chosen=2, rejected=1, chosen_score=4, rejected_score=1)
    assert found.pairs == (pair,)
    assert found.degenerate_share == 0


def test_degenerate_pairs_are_counted_and_left_out() -> None:
    answers = [["a", "a"], ["a", "b"], [" a\n", "a", "a "], ["a", "bb"], []]
    judge, problems = _ByLength(), _problems(5)
    found = judge_pairs(problems, answers, judge)
    assert (found.equal_texts, found.equal_scores) == (3, 1)
    assert [pair.problem for pair in found.pairs] == [3]
    assert found.degenerate_share == pytest.approx(4 / 5)
    assert judge.seen == [problems[1].question, problems[3].question]


def test_one_text_with_other_blanks_is_no_pair_even_if_scores_differ() -> None:
    found = judge_pairs(_problems(1), [["a", "a     ", "b b"]], _ByLength())
    assert found.equal_texts == 1
    assert not found.pairs


def test_scores_must_differ_by_more_than_the_least_difference() -> None:
    answers = [["a", "bb"], ["a", "bbb"]]
    found = judge_pairs(_problems(2), answers, _ByLength(), least_difference=1.0)
    assert [pair.problem for pair in found.pairs] == [1]
    nothing = judge_pairs([], [], _ByLength())
    assert (nothing.pairs, nothing.degenerate_share) == ((), 0)


def test_an_answer_that_was_cut_off_is_never_chosen() -> None:
    answers = [["bb", "cccc", "a"], ["a", "bb"], ["a", "bb"]]
    ended = [[True, False, True], [False, True], [False, False]]
    found = judge_pairs(_problems(3), answers, _ByLength(), ended=ended)
    assert [(pair.chosen, pair.rejected) for pair in found.pairs] == [(0, 1), (1, 0)]
    assert found.equal_scores == 1


def test_length_bias_is_the_mean_sign_with_its_error() -> None:
    bias = length_bias([3, 3, 1, 2], [1, 2, 2, 2])
    assert bias.value == pytest.approx(1 / 4)
    assert bias.standard_error == pytest.approx((3 / 4 / 4) ** 0.5)
    assert length_bias([9] * 16, [1] * 16).standard_error == pytest.approx(1 / 4)
    assert length_bias([], []).value == 0
