"""Sorting: known arrangements, successive minima, and one unsorted pair."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mixopt import seeds
from mixopt.tasks.sorting import FAMILY


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("sort dbca", "abcd", "a dbc; b dc; c d"),
        ("sort ab", "ab", "a b"),
        ("sort zaz", "azz", "a zz; z z"),
    ],
)
def test_known_arrangements(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


@pytest.mark.parametrize("level", FAMILY.levels)
def test_answers_ascend_and_wrong_ones_descend_once(level: int) -> None:
    rng = seeds.generator(0, "unsorted", level)
    for _ in range(100):
        problem = FAMILY.generate(rng, level)
        given = problem.question.removeprefix("sort ")
        assert sorted(given) == list(problem.answer) == sorted(problem.wrong)
        assert sum(left > right for left, right in pairwise(problem.wrong)) == 1
        assert not any(left > right for left, right in pairwise(problem.answer))
