"""Copying: known strings, and misspellings of the same letters."""

from __future__ import annotations

import pytest

from mixopt import seeds
from mixopt.tasks.copying import FAMILY


def test_known_strings() -> None:
    assert FAMILY.solve("copy bcd") == "bcd"
    assert FAMILY.solve("reverse bcd") == "dcb"
    assert FAMILY.explain("copy bcd") == "1b 2c 3d"
    assert FAMILY.explain("reverse bcd") == "3d 2c 1b"


@pytest.mark.parametrize("level", FAMILY.levels)
def test_wrong_answer_has_one_neighbouring_pair_swapped(level: int) -> None:
    rng = seeds.generator(0, "misspelled", level)
    for _ in range(100):
        problem = FAMILY.generate(rng, level)
        pairs = enumerate(zip(problem.answer, problem.wrong, strict=True))
        places = [place for place, (right, wrong) in pairs if right != wrong]
        assert sorted(problem.wrong) == sorted(problem.answer)
        assert len(places) == 2
        assert places[1] == places[0] + 1


def test_both_directions_are_asked_alike() -> None:
    rng = seeds.generator(0, "directions")
    verbs = [FAMILY.generate(rng, 3).question.split()[0] for _ in range(2000)]
    assert abs(verbs.count("copy") - 1000) < 120
    assert set(verbs) == {"copy", "reverse"}
