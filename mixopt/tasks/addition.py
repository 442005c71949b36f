"""Owns the family `addition`: the sum of two numbers, as in `add 47 38` = 85.

The level sets the operands, which are uniform below 7, 10, 20, 50, 100, 500, 1000, 10000 (levels
1 to 8). The wrong answer is one off in one digit's place (a lost or an invented carry included),
has as many digits as the right one, and is a sum that the level can have. The order of the operands
makes no new problem.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.problem import STEP_SEPARATOR, Problem

_LIMITS = (7, 10, 20, 50, 100, 500, 1000, 10_000)
_PLACES = (1, 10, 100, 1000, 10_000)
_FORM = re.compile(r"add (\d+) (\d+)")


def _generate(rng: np.random.Generator, level: int) -> Problem:
    limit = _LIMITS[level - 1]
    left, right = rng.integers(limit, size=2).tolist()
    return Problem(
        family="addition",
        question=f"add {left} {right}",
        answer=str(left + right),
        wrong=str(_misplace(rng, left + right, largest=2 * (limit - 1))),
        canonical=f"add {min(left, right)} {max(left, right)}",
    )


def _misplace(rng: np.random.Generator, total: int, *, largest: int) -> int:
    """Return the total one off in a random place, with as many digits, at most `largest`."""
    digits = len(str(total))
    slips = [sign * place for place in _PLACES[:digits] for sign in (-1, 1)]
    sums = [total + slip for slip in slips if 0 <= total + slip <= largest]
    wrongs = [each for each in sums if len(str(each)) == digits]
    return wrongs[int(rng.integers(len(wrongs)))]


def _solve(question: str) -> str:
    found = read_question(_FORM, question)
    return str(int(found[1]) + int(found[2]))


def _explain(question: str) -> str:
    """Add column by column from the right: `7+8=15; 4+3+1=8`."""
    found = read_question(_FORM, question)
    columns = zip_longest(found[1][::-1], found[2][::-1], fillvalue="")
    steps, carry = [], 0
    for column in columns:
        digits = [digit for digit in (*column, str(carry) if carry else "") if digit]
        total = sum(int(digit) for digit in digits)
        steps.append(f"{'+'.join(digits)}={total}")
        carry = total // 10
    return STEP_SEPARATOR.join(steps)


def _num_problems(level: int) -> int:
    limit = _LIMITS[level - 1]
    return limit * (limit + 1) // 2


FAMILY = Family(
    name="addition",
    levels=range(1, len(_LIMITS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
)
