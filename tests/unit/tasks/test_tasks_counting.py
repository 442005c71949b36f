"""Counting: known lists, running counts, one-off mistakes, and balanced answers."""

from __future__ import annotations

from collections import Counter

import pytest

from mixopt import seeds
from mixopt.tasks.counting import FAMILY


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("count a in abca", "2", "a1 b1 c1 a2"),
        ("count d in abca", "0", "a0 b0 c0 a0"),
        ("has d in abca", "no", "a0 b0 c0 a0"),
        ("has c in abca", "yes", "a0 b0 c1 a1"),
    ],
)
def test_known_lists(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


@pytest.mark.parametrize("level", FAMILY.levels[2:])
def test_wrong_count_is_one_off_and_possible(level: int) -> None:
    rng = seeds.generator(0, "one off", level)
    for _ in range(200):
        problem = FAMILY.generate(rng, level)
        listed = problem.question.split()[-1]
        assert abs(int(problem.answer) - int(problem.wrong)) == 1
        assert 0 <= int(problem.wrong) <= len(listed)


@pytest.mark.parametrize("level", FAMILY.levels)
def test_every_answer_is_right_as_often_as_wrong(level: int) -> None:
    """Otherwise a guess that has not read the question would have a margin."""
    rng = seeds.generator(0, "balance", level)
    problems = [FAMILY.generate(rng, level) for _ in range(4000)]
    right = Counter(problem.answer for problem in problems)
    wrong = Counter(problem.wrong for problem in problems)
    listed = len(problems[0].question.split()[-1])
    assert len(right) == (2 if level <= 2 else listed + 1)
    assert all(abs(times - wrong[answer]) < 6 * times**0.5 for answer, times in right.items())


def test_counts_are_balanced() -> None:
    rng = seeds.generator(0, "counts")
    answers = Counter(FAMILY.generate(rng, 4).answer for _ in range(4000))
    expected = {"0": 500, "1": 1000, "2": 1000, "3": 1000, "4": 500}
    assert all(abs(answers[count] - times) < 120 for count, times in expected.items())
