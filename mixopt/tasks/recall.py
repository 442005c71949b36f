"""Owns the family `recall`: the value of a key seen before, as in `recall a3 c7 b1 ? c` = `c7`.

The answer is the whole pair: the key that it begins with stands before its value in the question
too, so that a model which continues what followed the key before has the answer.

The level sets how many pairs there are (2 to 10), and with them the greatest distance between a
pair and the query, and out of how many letters the keys come (2 to 26). Every pair is asked for
equally often: a fixed distance could be learned as a position, without reading the keys. All values
of a question differ, and the wrong answer has the value of another key. The order of the pairs makes
no new problem.
"""

from __future__ import annotations

import math
import re

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.letters import draw_letters
from mixopt.tasks.problem import Problem

_LEVELS = ((2, 2), (2, 4), (3, 6), (4, 8), (5, 16), (6, 26), (8, 26), (10, 26))
"""How many pairs, with keys out of how many letters."""
_FORM = re.compile(r"recall ((?:[a-z]\d )+)\? ([a-z])")
_NUM_VALUES = 10


def _generate(rng: np.random.Generator, level: int) -> Problem:
    count, alphabet = _LEVELS[level - 1]
    keys = draw_letters(rng, count, alphabet)
    values = rng.permutation(_NUM_VALUES)[:count].tolist()
    asked = int(rng.integers(count))
    other = (asked + int(rng.integers(1, count))) % count
    pairs = [f"{key}{value}" for key, value in zip(keys, values, strict=True)]
    return Problem(
        family="recall",
        question=f"recall {' '.join(pairs)} ? {keys[asked]}",
        answer=pairs[asked],
        wrong=f"{keys[asked]}{values[other]}",
        canonical=f"recall {' '.join(sorted(pairs))} ? {keys[asked]}",
    )


def _read(question: str) -> tuple[dict[str, str], str]:
    found = read_question(_FORM, question)
    return {pair[0]: pair[1] for pair in found[1].split()}, found[2]


def _solve(question: str) -> str:
    pairs, key = _read(question)
    if key not in pairs:
        message = f"{question!r} asks for a key that it does not give"
        raise ValueError(message)
    return key + pairs[key]


def _explain(question: str) -> str:
    """Name the place of the pair that is asked for: `c at 2`."""
    pairs, key = _read(question)
    return f"{key} at {list(pairs).index(key) + 1}"


def _num_problems(level: int) -> int:
    count, alphabet = _LEVELS[level - 1]
    return math.comb(alphabet, count) * math.perm(_NUM_VALUES, count) * count


FAMILY = Family(
    name="recall",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
)
