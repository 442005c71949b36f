"""Arithmetic: known work, true steps, one slip, and partial results in range."""

from __future__ import annotations

import re

import pytest

from mixopt import seeds
from mixopt.tasks.arithmetic import FAMILY

_LARGEST = {1: 9, 2: 9, 3: 20, 4: 20, 5: 40, 6: 60, 7: 99, 8: 99}


def _read_steps(steps: str) -> list[tuple[int, int, int]]:
    found = re.findall(r"(\d+)([+-]\d+)=(\d+)", steps)
    return [(int(total), int(term), int(result)) for total, term, result in found]


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("calc 3+4-2", "5", "3+4=7; 7-2=5"),
        ("calc 9+10-19+8", "8", "9+10=19; 19-19=0; 0+8=8"),
        ("calc 20-3", "17", "20-3=17"),
    ],
)
def test_known_work(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


@pytest.mark.parametrize("level", FAMILY.levels)
def test_steps_are_true_and_stay_in_range(level: int) -> None:
    rng = seeds.generator(0, "steps", level)
    for _ in range(200):
        problem = FAMILY.generate(rng, level)
        steps = _read_steps(problem.steps)
        assert len(steps) == len(re.findall(r"\d+", problem.question)) - 1
        assert all(total + term == result for total, term, result in steps)
        assert all(0 <= result <= _LARGEST[level] for _, _, result in steps)
        assert str(steps[-1][2]) == problem.answer


@pytest.mark.parametrize("level", FAMILY.levels)
def test_wrong_steps_slip_once_and_lead_to_the_wrong_answer(level: int) -> None:
    rng = seeds.generator(0, "slip", level)
    for _ in range(200):
        problem = FAMILY.generate(rng, level)
        steps = _read_steps(problem.wrong_steps)
        slips = [result - total - term for total, term, result in steps]
        assert sorted(map(abs, slips))[:-1] == [0] * (len(slips) - 1)
        assert max(map(abs, slips)) in {1, 10}
        assert str(steps[-1][2]) == problem.wrong
        assert all(0 <= result <= _LARGEST[level] for _, _, result in steps)
