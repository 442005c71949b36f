"""Owns the family `counting`: whether or how often a letter is in a list, as in `count a in abca` = 2.

Levels 1 and 2 ask for membership, `has d in abca` = no, in lists of 3 and 5 letters; levels 3 to 8
ask for the number of times in lists of 3 to 9. The level also sets out of how many letters the list
comes (4 to 12); letters repeat. The wrong answer is the other word, or one off. Every answer of a
level is right as often as it is wrong, so that a guess without reading gains nothing. The order of
the list makes no new problem.
"""

from __future__ import annotations

import math
import re
import string
from dataclasses import dataclass

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.problem import Problem

_FORM = re.compile(r"(has|count) ([a-z]) in ([a-z]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Level:
    """What is asked, letters in the list, letters of the alphabet."""

    verb: str
    length: int
    alphabet: int


_LEVELS = (
    _Level(verb="has", length=3, alphabet=4),
    _Level(verb="has", length=5, alphabet=4),
    _Level(verb="count", length=3, alphabet=8),
    _Level(verb="count", length=4, alphabet=8),
    _Level(verb="count", length=5, alphabet=8),
    _Level(verb="count", length=6, alphabet=8),
    _Level(verb="count", length=8, alphabet=8),
    _Level(verb="count", length=9, alphabet=12),
)


def _generate(rng: np.random.Generator, level: int) -> Problem:
    shape = _LEVELS[level - 1]
    times = _draw_times(rng, shape)
    target = int(rng.integers(shape.alphabet))
    listed = _draw_list(rng, shape, target, times)
    answer, wrong = _answers(rng, shape, times)
    question = f"{shape.verb} {string.ascii_lowercase[target]} in "
    return Problem(
        family="counting",
        question=question + listed,
        answer=answer,
        wrong=wrong,
        canonical=question + "".join(sorted(listed)),
    )


def _draw_times(rng: np.random.Generator, shape: _Level) -> int:
    """Return how often the target is listed.

    Membership is as frequent as its absence. Of the counts, none and all are half as frequent as the
    others: that is the distribution which going one up or down (at the ends: back) does not change.
    """
    if shape.verb == "has":
        return int(rng.integers(2) * rng.integers(1, shape.length + 1))
    return int(rng.integers(1, 2 * shape.length + 1)) // 2


def _draw_list(rng: np.random.Generator, shape: _Level, target: int, times: int) -> str:
    """Return letters among which the target stands so many times, in random order."""
    others = rng.integers(1, shape.alphabet, size=shape.length - times)
    places = [target] * times + ((target + others) % shape.alphabet).tolist()
    return "".join(string.ascii_lowercase[places[place]] for place in rng.permutation(len(places)))


def _answers(rng: np.random.Generator, shape: _Level, times: int) -> tuple[str, str]:
    if shape.verb == "has":
        return ("yes", "no") if times else ("no", "yes")
    off = [wrong for wrong in (times - 1, times + 1) if 0 <= wrong <= shape.length]
    return str(times), str(off[int(rng.integers(len(off)))])


def _solve(question: str) -> str:
    verb, target, listed = read_question(_FORM, question).group(1, 2, 3)
    if verb == "has":
        return "yes" if target in listed else "no"
    return str(listed.count(target))


def _explain(question: str) -> str:
    """Go through the list with the count so far: `a1 b1 c1 a2`."""
    found = read_question(_FORM, question)
    counts = np.cumsum([letter == found[2] for letter in found[3]])
    return " ".join(f"{letter}{count}" for letter, count in zip(found[3], counts, strict=True))


def _num_problems(level: int) -> int:
    shape = _LEVELS[level - 1]
    return shape.alphabet * math.comb(shape.alphabet + shape.length - 1, shape.length)


FAMILY = Family(
    name="counting",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
)
