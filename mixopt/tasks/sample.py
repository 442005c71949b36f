"""Owns drawing distinct problems of one split: which split a problem is in, and how many there are."""

from __future__ import annotations

from typing import Literal

from mixopt import seeds
from mixopt.errors import NotFoundError
from mixopt.tasks.family import Family
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import find_family

Split = Literal["train", "validation", "test"]

SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""Share of each split in the problems of a level, by identity."""

_PATIENCE = 1000
"""Draws without a new problem before giving up, where none has been found yet."""
_PATIENCE_PER_PROBLEM = 20
"""Further such draws per problem found, over the split's share: the last problem of an evenly
drawn level is then missed once in e^20 times."""


def split_of(problem: Problem) -> Split:
    """Return the split of a problem, which depends on its identity alone."""
    place = int(problem.identity[:13], 16) / 16**13
    if place < SHARES["train"]:
        return "train"
    return "validation" if place < SHARES["train"] + SHARES["validation"] else "test"


def sample_problems(
    family: str, *, level: int, split: Split, count: int, seed: int, at_most: bool = False
) -> list[Problem]:
    """Return `count` problems of a split, no two of one identity, in random order.

    With `at_most`, a level that has fewer gives all it has.


    The same arguments give the same problems, and a smaller `count` gives the first of them.

    Raises:
        NotFoundError: the family or the level does not exist, or the level has fewer than `count`
            distinct problems in the split.
    """
    kind = find_family(family)
    _check_level(kind, level)
    if count > kind.num_problems(level) and not at_most:
        raise _too_few(kind, level, split, f"{count} were asked for")
    rng = seeds.generator(seed, "tasks", family, level, split)
    found: dict[str, Problem] = {}
    misses = 0
    while len(found) < count:
        problem = kind.generate(rng, level)
        if split_of(problem) == split and problem.identity not in found:
            found[problem.identity] = problem
            misses = 0
            continue
        misses += 1
        if misses > _PATIENCE + _PATIENCE_PER_PROBLEM * len(found) / SHARES[split]:
            if at_most and found:
                break
            seen = f"{count} were asked for, {len(found)} found before {misses} draws brought none"
            raise _too_few(kind, level, split, seen)
    return list(found.values())


def _check_level(family: Family, level: int) -> None:
    if level not in family.levels:
        lowest, highest = family.levels[0], family.levels[-1]
        what = f"task family '{family.name}' has no level {level}"
        raise NotFoundError(what, remedy=f"Its levels go from {lowest} to {highest}, the hardest.")


def _too_few(family: Family, level: int, split: Split, seen: str) -> NotFoundError:
    total = family.num_problems(level)
    share = SHARES[split]
    table = ", ".join(f"{each}: {family.num_problems(each) * share:.0f}" for each in family.levels)
    return NotFoundError(
        f"task family '{family.name}' has too few distinct {split} problems at level {level}",
        why=f"The level has {total} over all splits, about {share:.0%} of them in {split}; {seen}.",
        remedy=f"Ask for fewer, or take another level (about so many in {split}: {table}).",
    )
