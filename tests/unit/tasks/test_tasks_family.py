"""Marking of free text, and reading of questions."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mixopt.tasks.family import final_answer, read_question
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES

_SUM = Problem(family="addition", question="add 12 7", answer="19", wrong="29")
_MEMBER = Problem(family="counting", question="has a in abc", answer="yes", wrong="no")
_COPY = Problem(family="copying", question="copy bcd", answer="bcd", wrong="cbd")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("19", "19"),
        ("  19 \r\n", "19"),
        ("2+7=9; 1+0=1; 19", "19"),
        ("2+7=9 ;19\nadd 1 1 = 2; 2", "19"),
        ("a  b", "a b"),
        ("19;", ""),
        ("", ""),
    ],
)
def test_final_answer_is_the_last_item_of_the_first_line(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    "text", ["", " \n", "1 9", "019", "119", "19.5", "19; 20", "20\n19", "-19"]
)
def test_other_text_is_no_right_sum(text: str) -> None:
    assert not FAMILIES["addition"].verify(_SUM, text)


def test_right_steps_do_not_excuse_a_wrong_answer() -> None:
    assert FAMILIES["addition"].verify(_SUM, "2+7=9; 1; 19")
    assert not FAMILIES["addition"].verify(_SUM, "2+7=9; 1; 29")
    assert FAMILIES["addition"].verify(_SUM, "2+7=8; 1; 19")


def test_case_counts_only_where_letters_are_copied() -> None:
    assert FAMILIES["counting"].verify(_MEMBER, "Yes")
    assert not FAMILIES["copying"].verify(_COPY, "BCD")
    assert replace(FAMILIES["copying"], case_matters=False).verify(_COPY, "BCD")


def test_reading_another_form_is_an_error_that_shows_it() -> None:
    form = re.compile(r"add (\d+)")
    assert read_question(form, " ADD  4 ")[1] == "4"
    with pytest.raises(ValueError, match=r"'sort ba' is no question of the form"):
        read_question(form, "sort ba")
