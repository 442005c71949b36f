import pytest
from export_fakes import SUPPLY, plan, stage

from mixopt.errors import ExportError
from mixopt.export.context import Reading
from mixopt.export.verify import verify

PLAN = plan(stage("one", {"a": 0.75, "b": 0.25}))


def reading(a: float, *, tokens: float = SUPPLY, piece: int = 1) -> Reading:
    shares = {"a": a, "b": 1 - a}
    return Reading(stage="one", piece=piece, file="x", tokens=tokens, shares=shares)


def test_the_distance_is_half_the_sum_of_differences() -> None:
    (check,) = verify(PLAN, "t", ("lm",), [reading(0.748)])
    assert check.distance == pytest.approx(0.002)


def test_a_mixture_out_of_tolerance_is_named() -> None:
    with pytest.raises(ExportError, match="would not draw") as caught:
        verify(PLAN, "t", ("lm",), [reading(0.744)])
    assert "0.0060" in caught.value.why
    verify(PLAN, "t", ("lm",), [reading(0.744)], tolerance=0.01)


def test_a_domain_that_is_missing_or_extra_counts_in_full() -> None:
    missing = Reading(stage="one", piece=1, file="x", tokens=SUPPLY, shares={"a": 1.0})
    with pytest.raises(ExportError, match="would not draw"):
        verify(PLAN, "t", ("lm",), [missing], tolerance=0.2)


def test_too_few_tokens_are_an_error() -> None:
    with pytest.raises(ExportError, match="would train on 900,000"):
        verify(PLAN, "t", ("lm",), [reading(0.75, tokens=900_000)])


@pytest.mark.parametrize("readings", [[], [reading(0.75, piece=2)]])
def test_a_stage_without_a_config_is_an_error(readings: list[Reading]) -> None:
    with pytest.raises(ExportError, match="not covered"):
        verify(PLAN, "t", ("lm",), readings)


def test_kinds_of_other_targets_are_not_asked_for() -> None:
    assert verify(PLAN, "t", ("sft",), []) == []
