from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mixopt.schedule.open import PracticeChoice, PracticeRecipe, Span
from mixopt.schedule.practice import Judged, Rejection

LEVELS = {"addition": 2}


def read(**table: object) -> PracticeRecipe:
    return TypeAdapter(PracticeChoice).validate_python({"levels": LEVELS, **table})


def faults(**table: object) -> dict[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as caught:
        read(**table)
    return {detail["loc"]: detail["msg"] for detail in caught.value.errors()}


def test_a_closed_practice_is_itself() -> None:
    found = read(method="judged", beta=0.2)
    assert found.spans == {}
    assert found.at({}) == Judged(method="judged", levels=LEVELS, beta=0.2)


def test_open_numbers_take_their_values_and_whole_ones_are_rounded() -> None:
    span = {"low": 2, "high": 9}
    found = read(method="rejection", samples=span, temperature={"low": 0.5, "high": 1.5})
    assert found.spans == {"samples": Span(low=2, high=9), "temperature": Span(low=0.5, high=1.5)}
    made = found.at({"samples": 6.6, "temperature": 0.7})
    assert made == Rejection(method="rejection", levels=LEVELS, samples=7, temperature=0.7)
    assert isinstance(made.samples, int)


@pytest.mark.parametrize(
    ("table", "place", "text"),
    [
        ({"method": "judgde"}, ("method",), "one of rejection, pivotal, judged, grpo"),
        ({}, ("method",), "one of"),
        ({"method": "judged", "bta": 1}, ("bta",), "one of anchor, beta"),
        ({"method": "judged", "beta": {"low": -1, "high": 1}}, ("beta",), "greater than 0"),
        ({"method": "judged", "beta": {"low": 2, "high": 1}}, ("beta",), "low < high"),
        ({"method": "judged", "beta": {"low": 2}}, ("beta", "high"), "Field required"),
        ({"method": "judged", "normalized": {"low": 0, "high": 1}}, ("normalized",), "boolean"),
        ({"method": "pivotal", "gap": {"low": 0.2, "high": 1.2}}, ("gap",), "or equal to 1"),
        ({"method": "pivotal", "low": 0.9, "high": 0.2}, ("low",), "at most high"),
        ({"method": "grpo", "levels": {}}, ("levels",), "at least 1"),
        (
            {"method": "grpo", "levels": {"addition": 99}},
            ("levels", "addition"),
            "level of 'addition'",
        ),
    ],
)
def test_faults_name_what_the_user_wrote(
    table: dict[str, object], place: tuple[str, ...], text: str
) -> None:
    found = faults(**table)
    assert list(found) == [place]
    assert text in found[place]


def test_all_faults_of_a_practice_come_at_once() -> None:
    found = faults(method="grpo", clip=-1, samples={"low": 1, "high": 4}, divregence=1)
    assert set(found) == {("clip",), ("samples",), ("divregence",)}


@pytest.mark.parametrize(("log", "middle"), [(False, 5.5), (True, 10**0.5)])
def test_the_middle_is_that_of_the_scale(middle: float, *, log: bool) -> None:
    assert Span(low=1.0, high=10.0, log=log).middle == pytest.approx(middle)


def test_a_logarithm_needs_numbers_above_zero() -> None:
    with pytest.raises(ValidationError, match="low > 0 on a logarithmic scale"):
        Span(low=0.0, high=1.0, log=True)
