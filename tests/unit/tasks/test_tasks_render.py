"""Problems as text."""

from __future__ import annotations

from mixopt.tasks.problem import Problem
from mixopt.tasks.render import conversation, derivation, statement

_SORT = Problem(family="sorting", question="sort dbca", answer="abcd", wrong="abdc")
_CALC = Problem(
    family="arithmetic",
    question="calc 3+4-2",
    answer="5",
    wrong="6",
    steps="3+4=7; 7-2=5",
    wrong_steps="3+4=8; 8-2=6",
)


def test_statement_is_question_and_answer() -> None:
    assert statement(_SORT) == "sort dbca = abcd"
    assert statement(_CALC) == "calc 3+4-2 = 5"


def test_derivation_has_steps_in_every_family() -> None:
    assert derivation(_SORT) == "sort dbca: a dbc; b dc; c d; abcd"
    assert derivation(_CALC) == "calc 3+4-2: 3+4=7; 7-2=5; 5"


def test_conversation_answers_as_the_family_does() -> None:
    assert conversation(_SORT) == (("user", "sort dbca"), ("assistant", "abcd"))
    assert conversation(_CALC)[1] == ("assistant", "3+4=7; 7-2=5; 5")
