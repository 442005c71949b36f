"""Sampling of distinct problems of one split."""

from __future__ import annotations

from collections import Counter

import pytest

from mixopt import seeds
from mixopt.errors import NotFoundError
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.sample import SHARES, Split, sample_problems, split_of


def test_shares_of_splits_are_those_declared() -> None:
    rng = seeds.generator(0, "shares")
    problems = [FAMILIES["recall"].generate(rng, 5) for _ in range(5000)]
    counts = Counter(split_of(problem) for problem in problems)
    assert sum(SHARES.values()) == pytest.approx(1.0)
    for split, share in SHARES.items():
        assert counts[split] / 5000 == pytest.approx(share, abs=0.02)


def test_whole_level_can_be_drawn_and_no_more() -> None:
    """Every split is emptied to its last problem; one more is refused with the numbers."""
    rng = seeds.generator(0, "whole level")
    drawn: dict[str, Problem] = {}
    while len(drawn) < FAMILIES["addition"].num_problems(2):
        problem = FAMILIES["addition"].generate(rng, 2)
        drawn[problem.identity] = problem
    sizes = Counter(split_of(problem) for problem in drawn.values())
    for split, size in sizes.items():
        found = sample_problems("addition", level=2, split=split, count=size, seed=0)
        assert len({problem.identity for problem in found}) == size
        with pytest.raises(NotFoundError, match=f"{size + 1} were asked for, {size} found"):
            sample_problems("addition", level=2, split=split, count=size + 1, seed=0)


@pytest.mark.parametrize("split", ["train", "test"])
def test_asking_for_more_than_a_level_has_names_the_numbers(split: Split) -> None:
    with pytest.raises(NotFoundError) as caught:
        sample_problems("addition", level=1, split=split, count=500, seed=0)
    text = str(caught.value)
    assert f"'addition' has too few distinct {split} problems at level 1" in text
    assert "28 over all splits" in text
    assert "500 were asked for" in text
    assert "4: 1020" in text if split == "train" else "4: 128" in text


@pytest.mark.parametrize("level", [0, 9, -1])
def test_unknown_level_says_which_there_are(level: int) -> None:
    with pytest.raises(NotFoundError, match=f"no level {level}\nIts levels go from 1 to 8"):
        sample_problems("addition", level=level, split="train", count=1, seed=0)


def test_unknown_family_gets_the_nearest_name() -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'sorting'") as caught:
        sample_problems("sortign", level=1, split="train", count=1, seed=0)
    assert "addition, arithmetic" in caught.value.remedy


def test_nothing_asked_nothing_given() -> None:
    assert sample_problems("copying", level=1, split="test", count=0, seed=0) == []


def test_splits_of_one_seed_are_drawn_independently() -> None:
    train = sample_problems("copying", level=6, split="train", count=50, seed=0)
    test = sample_problems("copying", level=6, split="test", count=50, seed=0)
    assert not {problem.question for problem in train} & {problem.question for problem in test}
