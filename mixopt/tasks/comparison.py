"""Owns the family `comparison`: the largest or smallest number, as in `largest 31 27 45` = 45.

The level sets how many numbers (2 to 6) of how many digits (1 to 3) there are. All numbers of a
question differ and have as many digits, so that length tells nothing. The wrong answer is the
runner-up. The order of the numbers makes no new problem.
"""

from __future__ import annotations

import math
import re

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.problem import STEP_SEPARATOR, Problem

_LEVELS = ((2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (5, 2), (5, 3), (6, 3))
"""How many numbers, of how many digits."""
_FORM = re.compile(r"(largest|smallest) (\d+(?: \d+)+)")


def _generate(rng: np.random.Generator, level: int) -> Problem:
    count, digits = _LEVELS[level - 1]
    numbers = _draw_distinct(rng, count, digits)
    ranked = sorted(numbers)
    verb = "smallest"
    if rng.integers(2):
        verb = "largest"
        ranked.reverse()
    return Problem(
        family="comparison",
        question=f"{verb} {' '.join(map(str, numbers))}",
        answer=str(ranked[0]),
        wrong=str(ranked[1]),
        canonical=f"{verb} {' '.join(map(str, ranked))}",
    )


def _draw_distinct(rng: np.random.Generator, count: int, digits: int) -> list[int]:
    """Return distinct numbers of so many digits; 0 has one digit."""
    low, high = _bounds(digits)
    numbers: list[int] = []
    while len(numbers) < count:
        number = int(rng.integers(low, high))
        if number not in numbers:
            numbers.append(number)
    return numbers


def _bounds(digits: int) -> tuple[int, int]:
    return (0 if digits == 1 else 10 ** (digits - 1)), 10**digits


def _read(question: str) -> tuple[str, list[int]]:
    found = read_question(_FORM, question)
    return found[1], [int(number) for number in found[2].split()]


def _solve(question: str) -> str:
    verb, numbers = _read(question)
    return str(max(numbers) if verb == "largest" else min(numbers))


def _explain(question: str) -> str:
    """Compare the best so far with each number, the better first: `31>27; 45>31`."""
    verb, (best, *others) = _read(question)
    steps = []
    for number in others:
        low, high = sorted((best, number))
        best = high if verb == "largest" else low
        steps.append(f"{high}>{low}" if verb == "largest" else f"{low}<{high}")
    return STEP_SEPARATOR.join(steps)


def _num_problems(level: int) -> int:
    count, digits = _LEVELS[level - 1]
    low, high = _bounds(digits)
    return 2 * math.comb(high - low, count)


FAMILY = Family(
    name="comparison",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
)
