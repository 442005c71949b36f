"""Owns the family `arithmetic`: sums and differences in worked steps, as in `calc 3+4-2`.

The response shows every partial result, `3+4=7; 7-2=5; 5`. The level sets the number of terms
(3 to 6), their size (3 to 49) and the largest partial result (9 to 99); no partial result is
negative. The wrong response slips once, by one or by ten, and is consistent from there on; its
answer has as many digits as the right one. Terms in another order make no new problem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.problem import STEP_SEPARATOR, Problem

_FORM = re.compile(r"calc (\d+(?:[+-]\d+)+)")
_SLIPS = (-10, -1, 1, 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Level:
    """Number of terms, largest term, largest partial result (at least twice the largest term)."""

    terms: int
    size: int
    limit: int


_LEVELS = (
    _Level(terms=3, size=3, limit=9),
    _Level(terms=3, size=4, limit=9),
    _Level(terms=3, size=9, limit=20),
    _Level(terms=4, size=9, limit=20),
    _Level(terms=4, size=20, limit=40),
    _Level(terms=5, size=20, limit=60),
    _Level(terms=5, size=49, limit=99),
    _Level(terms=6, size=49, limit=99),
)


def _generate(rng: np.random.Generator, level: int) -> Problem:
    shape = _LEVELS[level - 1]
    terms = _draw_terms(rng, shape)
    place, slip = _draw_slip(rng, terms, shape.limit)
    return Problem(
        family="arithmetic",
        question=f"calc {_spell(terms)}",
        answer=str(sum(terms)),
        wrong=str(sum(terms) + slip),
        steps=_work(terms),
        wrong_steps=_work(terms, place=place, slip=slip),
        canonical=f"calc {_spell(sorted(terms, reverse=True))}",
    )


def _draw_terms(rng: np.random.Generator, shape: _Level) -> list[int]:
    """Return signed terms whose partial results all lie in [0, limit]; the first is positive."""
    terms = [int(rng.integers(1, shape.size + 1))]
    for _ in range(shape.terms - 1):
        total = sum(terms)
        low, high = max(-shape.size, -total), min(shape.size, shape.limit - total)
        term = int(rng.integers(low, high))
        terms.append(term if term < 0 else term + 1)  # nothing is gained by adding zero
    return terms


def _draw_slip(rng: np.random.Generator, terms: list[int], limit: int) -> tuple[int, int]:
    """Return the step that goes wrong and by how much, staying within the level's numbers."""
    totals = np.cumsum(terms).tolist()[1:]
    choices = [
        (place, slip)
        for place in range(len(totals))
        for slip in _SLIPS
        if all(0 <= total + slip <= limit for total in totals[place:])
        and len(str(totals[-1] + slip)) == len(str(totals[-1]))
    ]
    return choices[int(rng.integers(len(choices)))]


def _work(terms: list[int], *, place: int = -1, slip: int = 0) -> str:
    """Return the steps; the result of step `place` is off by `slip`, if there is such a step."""
    total, steps = terms[0], []
    for number, term in enumerate(terms[1:]):
        result = total + term + (slip if number == place else 0)
        steps.append(f"{total}{term:+d}={result}")
        total = result
    return STEP_SEPARATOR.join(steps)


def _spell(terms: list[int]) -> str:
    return "".join(f"{term:+d}" for term in terms).removeprefix("+")


def _read(question: str) -> list[int]:
    return [int(term) for term in re.findall(r"[+-]?\d+", read_question(_FORM, question)[1])]


def _solve(question: str) -> str:
    return str(sum(_read(question)))


def _explain(question: str) -> str:
    return _work(_read(question))


@lru_cache
def _num_problems(level: int) -> int:
    """Count the multisets of signed terms with a sum in [0, limit].

    Each of them has an order whose partial results stay in range: add while there is room;
    when there is none, more than half of `limit`, and so more than any term, can be taken from.
    """
    shape = _LEVELS[level - 1]
    reach = shape.terms * shape.size
    ways = np.zeros((shape.terms + 1, 2 * reach + 1), np.int64)
    ways[0, reach] = 1
    for term in (*range(-shape.size, 0), *range(1, shape.size + 1)):
        for used in range(shape.terms):
            ways[used + 1] += np.roll(ways[used], term)
    return int(ways[-1, reach : reach + shape.limit + 1].sum())


FAMILY = Family(
    name="arithmetic",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
)
