"""Problems: identity and responses."""

from __future__ import annotations

from dataclasses import replace

from mixopt.tasks.problem import Problem, normalize

_PROBLEM = Problem(family="addition", question="add 12 7", answer="19", wrong="29")


def test_identity_ignores_spacing_and_case() -> None:
    spelled = replace(_PROBLEM, question="  ADD  12 7\n")
    assert spelled.identity == _PROBLEM.identity
    assert len(_PROBLEM.identity) == 32


def test_identity_depends_on_family_and_question_only() -> None:
    assert replace(_PROBLEM, answer="20", wrong="3").identity == _PROBLEM.identity
    assert replace(_PROBLEM, family="subtraction").identity != _PROBLEM.identity
    assert replace(_PROBLEM, question="add 12 8").identity != _PROBLEM.identity


def test_canonical_form_decides_the_identity() -> None:
    turned = replace(_PROBLEM, question="add 7 12")
    assert turned.identity != _PROBLEM.identity
    assert replace(turned, canonical="add 12 7").identity == _PROBLEM.identity


def test_identity_is_the_same_on_every_machine() -> None:
    assert _PROBLEM.identity == "95deb319bee43c8cde721c0552c7cbc1"


def test_responses_show_steps_where_there_are_any() -> None:
    assert (_PROBLEM.response, _PROBLEM.wrong_response) == ("19", "29")
    worked = replace(_PROBLEM, steps="2+7=9; 1", wrong_steps="2+7=9; 1+1=2")
    assert worked.response == "2+7=9; 1; 19"
    assert worked.wrong_response == "2+7=9; 1+1=2; 29"


def test_normalize_leaves_one_spelling() -> None:
    assert normalize("\t Sort  DBCA \r\n") == "sort dbca"
