"""Owns the family `sorting`: letters in alphabetical order, as in `sort dbca` = abcd.

The level sets how many distinct letters there are (2 to 8) and out of how many they come (8, then
26). The wrong answer has the same letters with one pair of neighbours unsorted. Another arrangement
of the same letters has the same answer and makes no new problem.
"""

from __future__ import annotations

import math
import re

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.letters import draw_letters, swap_neighbours
from mixopt.tasks.problem import STEP_SEPARATOR, Problem

_LEVELS = ((2, 8), (2, 26), (3, 26), (4, 26), (5, 26), (6, 26), (7, 26), (8, 26))
"""How many letters, out of how many."""
_FORM = re.compile(r"sort ([a-z]+)")


def _generate(rng: np.random.Generator, level: int) -> Problem:
    letters = draw_letters(rng, *_LEVELS[level - 1])
    answer = "".join(sorted(letters))
    return Problem(
        family="sorting",
        question=f"sort {letters}",
        answer=answer,
        wrong=swap_neighbours(rng, answer),
        canonical=f"sort {answer}",
    )


def _solve(question: str) -> str:
    """Place each letter by the number of letters before it in the alphabet (ties by place)."""
    letters = read_question(_FORM, question)[1]
    ranks = {
        sum((other, there) < (letter, here) for there, other in enumerate(letters)): letter
        for here, letter in enumerate(letters)
    }
    return "".join(ranks[rank] for rank in range(len(letters)))


def _explain(question: str) -> str:
    """Take the first letter of the rest, again and again: `a dbc; b dc; c d`."""
    rest = read_question(_FORM, question)[1]
    steps = []
    while len(rest) > 1:
        first = min(rest)
        rest = rest.replace(first, "", 1)
        steps.append(f"{first} {rest}")
    return STEP_SEPARATOR.join(steps)


def _num_problems(level: int) -> int:
    length, alphabet = _LEVELS[level - 1]
    return math.comb(alphabet, length)


FAMILY = Family(
    name="sorting",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
    case_matters=True,
)
