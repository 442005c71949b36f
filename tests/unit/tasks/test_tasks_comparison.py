"""Comparison: known extremes, running comparisons, and the runner-up as the wrong answer."""

from __future__ import annotations

from collections import Counter

import pytest

from mixopt import seeds
from mixopt.tasks.comparison import FAMILY


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("largest 31 27 45", "45", "31>27; 45>31"),
        ("smallest 31 27 45", "27", "27<31; 27<45"),
        ("largest 9 10", "10", "10>9"),
    ],
)
def test_known_extremes(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


@pytest.mark.parametrize("level", FAMILY.levels)
def test_wrong_answer_is_the_runner_up(level: int) -> None:
    rng = seeds.generator(0, "runner-up", level)
    for _ in range(200):
        problem = FAMILY.generate(rng, level)
        verb, *numbers = problem.question.split()
        ranked = sorted(map(int, numbers), reverse=verb == "largest")
        assert [problem.answer, problem.wrong] == [str(number) for number in ranked[:2]]
        assert len(set(map(len, numbers))) == 1
        assert len(set(numbers)) == len(numbers)


def test_both_questions_and_every_place_are_asked_alike() -> None:
    rng = seeds.generator(0, "places")
    questions = [FAMILY.generate(rng, 4) for _ in range(3000)]
    verbs = Counter(problem.question.split()[0] for problem in questions)
    places = Counter(problem.question.split().index(problem.answer) for problem in questions)
    assert abs(verbs["largest"] - 1500) < 120
    assert all(abs(places[place] - 1000) < 120 for place in (1, 2, 3))
