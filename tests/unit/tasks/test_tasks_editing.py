"""Editing: known changes, and changes made in the wrong place."""

from __future__ import annotations

import pytest

from mixopt import seeds
from mixopt.tasks.editing import FAMILY

_VERBS = {"delete", "replace", "insert", "swap"}


@pytest.mark.parametrize(
    ("question", "answer", "steps"),
    [
        ("delete b in abcd", "acd", "b at 2"),
        ("replace b x in abcd", "axcd", "b at 2"),
        ("insert x after d in abcd", "abcdx", "d at 4"),
        ("swap b d in abcd", "adcb", "b at 2; d at 4"),
        ("swap d b in abcd", "adcb", "d at 4; b at 2"),
    ],
)
def test_known_changes(question: str, answer: str, steps: str) -> None:
    assert FAMILY.solve(question) == answer
    assert FAMILY.explain(question) == steps


@pytest.mark.parametrize("question", ["delete b c in abcd", "insert x b in abcd", "swap b in abcd"])
def test_other_forms_are_refused(question: str) -> None:
    with pytest.raises(ValueError, match="no question of the form"):
        FAMILY.solve(question)


@pytest.mark.parametrize("level", FAMILY.levels)
def test_wrong_answer_is_the_same_change_of_another_letter(level: int) -> None:
    """It solves a question that names another letter of the same string."""
    rng = seeds.generator(0, "another letter", level)
    for _ in range(100):
        problem = FAMILY.generate(rng, level)
        *request, _, text = problem.question.split()
        place = {"delete": 1, "replace": 1, "insert": 3, "swap": 2}[request[0]]
        others = [letter for letter in text if letter != request[place]]
        asked = [[*request[:place], letter, *request[place + 1 :]] for letter in others]
        answers = {FAMILY.solve(" ".join([*words, "in", text])) for words in asked}
        assert problem.wrong in answers - {text}


def test_changes_come_in_with_the_level() -> None:
    rng = seeds.generator(0, "changes")
    asked = {
        level: {FAMILY.generate(rng, level).question.split()[0] for _ in range(200)}
        for level in FAMILY.levels
    }
    assert asked[1] == {"delete"}
    assert asked[2] == {"delete", "replace"}
    assert all(asked[level] == _VERBS for level in FAMILY.levels[2:])
