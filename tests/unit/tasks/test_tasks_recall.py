"""Recall: known look-ups, another key's value as the wrong answer, every distance asked alike."""

from __future__ import annotations

from collections import Counter

import pytest

from mixopt import seeds
from mixopt.tasks.recall import FAMILY


def test_known_look_ups() -> None:
    assert FAMILY.solve("recall a3 c7 b1 ? c") == "c7"
    assert FAMILY.explain("recall a3 c7 b1 ? c") == "c at 2"
    assert FAMILY.solve(" Recall a3  c7 ? A") == "a3"


def test_a_key_that_was_not_given_is_an_error() -> None:
    with pytest.raises(ValueError, match="asks for a key that it does not give"):
        FAMILY.solve("recall a3 c7 ? b")


@pytest.mark.parametrize("level", FAMILY.levels)
def test_wrong_answer_is_the_value_of_another_key(level: int) -> None:
    rng = seeds.generator(0, "other key", level)
    for _ in range(200):
        problem = FAMILY.generate(rng, level)
        *pairs, _, asked = problem.question.split()[1:]
        values = {pair[0]: pair[1] for pair in pairs}
        assert len(values) == len(set(values.values())) == len(pairs)
        assert problem.answer == asked + values[asked]
        assert problem.wrong in {asked + values[key] for key in values if key != asked}


def test_every_pair_is_asked_for_and_mistaken_alike() -> None:
    rng = seeds.generator(0, "distances")
    right: Counter[int] = Counter()
    wrong: Counter[int] = Counter()
    for _ in range(4000):
        problem = FAMILY.generate(rng, 4)
        values = [pair[1] for pair in problem.question.split()[1:-2]]
        right[values.index(problem.answer[1])] += 1
        wrong[values.index(problem.wrong[1])] += 1
    assert all(abs(times - 1000) < 120 for times in (*right.values(), *wrong.values()))


def test_pairs_grow_with_the_level() -> None:
    rng = seeds.generator(0, "pairs")
    counts = [len(FAMILY.generate(rng, level).question.split()) - 3 for level in FAMILY.levels]
    assert counts == [2, 2, 3, 4, 5, 6, 8, 10]
