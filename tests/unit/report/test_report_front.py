"""The section on compromises between measures."""

from __future__ import annotations

from dataclasses import replace

from mixopt.report.data import ReportData
from mixopt.report.front import front_section
from mixopt.study.recommendation import Compromise


def _with_front(data: ReportData, *front: Compromise) -> ReportData:
    assert data.recommendation is not None
    return replace(data, recommendation=data.recommendation.model_copy(update={"front": front}))


def test_every_compromise_is_a_row_and_the_knee_is_named(data: ReportData) -> None:
    first, second = (
        Compromise(
            knee=knee,
            predicted={"a/b/c": value, "d/e/f": 1 - value},
            deviation={"a/b/c": 0.01, "d/e/f": 0.02},
            mixture={"<web>": 0.25, "code": 0.75},
        )
        for knee, value in ((False, 0.125), (True, 0.5))
    )
    text = "".join(front_section(_with_front(data, first, second)))
    assert text.count("knee</") == 1
    assert "0.125" in text
    assert "&lt;web&gt;" in text
    assert "<web>" not in text


def test_one_measure_alone_has_no_front(data: ReportData) -> None:
    assert not list(front_section(_with_front(data)))
