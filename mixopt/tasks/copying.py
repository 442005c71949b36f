"""Owns the family `copying`: a string as it is or backwards, as in `reverse bcd` = dcb.

The level sets the length of the string (2 to 8 distinct letters) and out of how many letters it
comes (8 to 26). The wrong answer has two neighbouring letters of the right one in the other order.
"""

from __future__ import annotations

import math
import re

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.letters import draw_letters, swap_neighbours
from mixopt.tasks.problem import Problem

_LEVELS = ((2, 8), (3, 8), (3, 16), (4, 16), (5, 16), (6, 26), (7, 26), (8, 26))
"""Length of the string, out of how many letters."""
_FORM = re.compile(r"(copy|reverse) ([a-z]+)")


def _generate(rng: np.random.Generator, level: int) -> Problem:
    answer = draw_letters(rng, *_LEVELS[level - 1])
    backwards = bool(rng.integers(2))
    given = "".join(reversed(answer)) if backwards else answer
    return Problem(
        family="copying",
        question=f"{'reverse' if backwards else 'copy'} {given}",
        answer=answer,
        wrong=swap_neighbours(rng, answer),
    )


def _solve(question: str) -> str:
    found = read_question(_FORM, question)
    return found[2][::-1] if found[1] == "reverse" else found[2]


def _explain(question: str) -> str:
    """Name the letters in the order of the answer with their places: `3d 2c 1b`."""
    found = read_question(_FORM, question)
    placed = [f"{place}{letter}" for place, letter in enumerate(found[2], start=1)]
    return " ".join(placed[::-1] if found[1] == "reverse" else placed)


def _num_problems(level: int) -> int:
    length, alphabet = _LEVELS[level - 1]
    return 2 * math.perm(alphabet, length)


FAMILY = Family(
    name="copying",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
    case_matters=True,
)
