from __future__ import annotations

import pytest
import tiny
from pydantic import ValidationError
from tiny import study_recipe

from mixopt.study.recipe import StudyRecipe


def test_measures_of_known_stages_and_families_are_taken() -> None:
    keys = ("early/bits_per_byte/prose", "late/bits_per_byte/mean", "sft/accuracy/addition")
    assert study_recipe(objective="sft/margin/mean", also=keys).study.also == keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sfft/margin/mean", "after one of the stages sft "),
        ("late/long_bits_per_byte/mean", "an lm stage whose context_tokens are more"),
        ("late/margin/mean", "after one of the stages sft "),
        ("begin/bits_per_byte/mean", "after one of the stages early, late, sft "),
        ("sft/margin/addition@4", "a family of"),
        ("sft/pass_at_4/mean", "as many .* samples as 'sft/pass_at_4/mean' needs, got 0"),
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


def test_levels_around_and_passes_are_measured_where_they_are_asked_for() -> None:
    levels = {"addition": 8}
    wanted = {"levels": levels, "more_levels": True, "samples": 4}
    keys = ("sft/margin/addition@7", "sft/pass_at_4/addition", "sft/preference_accuracy/mean")
    assert study_recipe(examination=wanted, also=keys).study.examination.samples == 4
    with pytest.raises(ValueError, match="a family of"):
        study_recipe(examination=wanted, also=["sft/margin/addition@9"])
    with pytest.raises(ValueError, match="samples"):
        study_recipe(examination=wanted, also=["sft/pass_at_8/mean"])


def test_tasks_are_measured_from_the_first_fine_tuning_on() -> None:
    practice = {"method": "judged", "levels": {"addition": 3}}
    later = [
        {"name": "dpo", "kind": "dpo", "tokens": 500, "practice": practice},
        {"name": "after", "kind": "sft", "tokens": 500, "mixture": {"chat": 1.0}},
    ]
    data = study_recipe().model_dump(include={"name", "target", "study"})
    stages = [stage | {"name": f"x{n}"} for n, stage in enumerate(tiny._STAGES)] + later
    for key in ("x2/margin/mean", "dpo/margin/mean", "after/margin/mean"):
        study = data["study"] | {"objective": key}
        found = StudyRecipe.model_validate(data | {"stage": stages, "study": study})
        assert found.study.objective == key
    study = data["study"] | {"objective": "x1/margin/mean"}
    with pytest.raises(ValidationError, match="after one of the stages x2, dpo, after "):
        StudyRecipe.model_validate(data | {"stage": stages, "study": study})


def test_levels_are_those_of_the_family() -> None:
    with pytest.raises(ValueError, match="a level of 'addition' from 1 to 8"):
        study_recipe(examination={"levels": {"addition": 9}})
    with pytest.raises(ValidationError, match="one of the task families addition,"):
        study_recipe(examination={"levels": {"addtion": 1}})


def test_measures_are_of_text_domains_where_a_catalog_is_at_hand() -> None:
    data = study_recipe().model_dump(include={"name", "target", "study"})
    data |= {"stage": tiny._STAGES}
    known = {"schemas": {"prose": "text", "code": "text", "chat": "conversation"}}
    for subject in ("mean", "prose", "code"):
        study = data["study"] | {"guardrails": [f"late/bits_per_byte/{subject}"]}
        StudyRecipe.model_validate(data | {"study": study}, context=known)
    for subject in ("prosa", "chat"):
        study = data["study"] | {"guardrails": [f"late/bits_per_byte/{subject}"]}
        with pytest.raises(ValidationError, match=r"guardrails.0\n.*text domains prose, code"):
            StudyRecipe.model_validate(data | {"study": study}, context=known)


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


def test_a_penalty_is_a_number_or_found_out_and_one_fault_else() -> None:
    assert study_recipe(penalty="auto").study.penalty == "auto"
    assert study_recipe(penalty=0.2).study.penalty == 0.2
    with pytest.raises(ValidationError) as told:
        study_recipe(penalty="much")
    assert told.value.error_count() == 1
