from __future__ import annotations

import pytest
from pydantic import ValidationError
from tiny import study_recipe


def test_measures_of_known_stages_and_families_are_taken() -> None:
    keys = ("late/bits_per_byte/prose", "sft/bits_per_byte/mean", "sft/accuracy/addition")
    assert study_recipe(objective="sft/margin/mean", also=keys).study.also == keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sfft/margin/mean", "after one of the stages sft, found 'sfft/margin/mean'"),
        ("late/margin/mean", "after one of the stages sft,"),
        ("early/bits_per_byte/mean", "after one of the stages late, sft,"),
        ("sft/margin/sorting", "a family of"),
        ("sft/margins/mean", "stage/measure/subject"),
    ],
)
def test_a_measure_that_is_never_taken_is_a_fault(key: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        study_recipe(objective=key)
    with pytest.raises(ValueError, match=expected):
        study_recipe(also=[key])


def test_task_measures_need_problems() -> None:
    with pytest.raises(ValueError, match="examination"):
        study_recipe(examination={})
    assert study_recipe(objective="late/bits_per_byte/mean", examination={}).study.trials == 8


def test_levels_are_those_of_the_family() -> None:
    with pytest.raises(ValueError, match="a level of 'addition' from 1 to 8"):
        study_recipe(examination={"levels": {"addition": 9}})
    with pytest.raises(ValidationError, match="Did you mean 'addition'"):
        study_recipe(examination={"levels": {"addtion": 1}})


@pytest.mark.parametrize(("lane", "fits"), [("auto", True), (3, True), (0, False), ("wide", False)])
def test_a_lane_is_a_number_or_found_out(lane: object, *, fits: bool) -> None:
    if fits:
        assert study_recipe(lane=lane).study.lane == lane
    else:
        with pytest.raises(ValidationError, match="lane"):
            study_recipe(lane=lane)


def test_a_study_shares_nothing_unless_it_says_so() -> None:
    assert study_recipe().study.share == 1
    with pytest.raises(ValidationError, match="share"):
        study_recipe(share=0)
