from __future__ import annotations

import pytest

from mixopt.evaluation.measure import DIRECTIONS, Measure, direction_of
from mixopt.evaluation.sampled import PASSES


@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_a_key_leads_back_to_its_measure(name: str) -> None:
    measure = Measure(stage="sft", name=name, subject="mean", value=1.0, standard_error=0.0)
    assert measure.key == f"sft/{name}/mean"
    assert direction_of(measure.key) == measure.direction == DIRECTIONS[name]


def test_every_k_of_pass_at_k_is_a_measure() -> None:
    names = {f"pass_at_{k}" for k in PASSES}
    assert names == {name for name in DIRECTIONS if name.startswith("pass_at_")}
    assert {DIRECTIONS[name] for name in names} == {"maximize"}


@pytest.mark.parametrize(
    ("name", "direction"), [("bits_per_byte", "minimize"), ("margin", "maximize")]
)
def test_fewer_bits_and_larger_margins_are_better(name: str, direction: str) -> None:
    assert direction_of(f"late/{name}/mean") == direction


@pytest.mark.parametrize("key", ["margin", "sft/margin", "sft/margins/mean", "a/b/c/d", ""])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="stage/measure/subject"):
        direction_of(key)
