"""Addition: known sums, columns with carries, and slips of one digit."""

from __future__ import annotations

import re
from statistics import fmean

import pytest

from mixopt import seeds
from mixopt.tasks.addition import FAMILY


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("add 12 7", "19", "2+7=9; 1=1"),
        ("add 47 38", "85", "7+8=15; 4+3+1=8"),
        ("add 0 0", "0", "0+0=0"),
        ("add 978 825", "1803", "8+5=13; 7+2+1=10; 9+8+1=18"),
        ("add 999 1", "1000", "9+1=10; 9+1=10; 9+1=10"),
    ],
)
def test_known_sums(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


def test_columns_are_true_and_spell_the_answer() -> None:
    rng = seeds.generator(0, "columns")
    for _ in range(300):
        problem = FAMILY.generate(rng, 8)
        columns = re.findall(r"([\d+]+)=(\d+)", FAMILY.explain(problem.question))
        assert all(sum(map(int, terms.split("+"))) == int(total) for terms, total in columns)
        last = columns[-1][1]
        assert last + "".join(total[-1] for _, total in columns[-2::-1]) == problem.answer


@pytest.mark.parametrize("level", FAMILY.levels)
def test_slips_are_one_digit_off_and_lean_neither_way(level: int) -> None:
    rng = seeds.generator(0, "slips", level)
    problems = [FAMILY.generate(rng, level) for _ in range(2000)]
    slips = [int(problem.wrong) - int(problem.answer) for problem in problems]
    assert {abs(slip) for slip in slips} <= {1, 10, 100, 1000, 10_000}
    assert abs(fmean(1 if slip > 0 else -1 for slip in slips)) < 0.15
