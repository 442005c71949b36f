"""Numbers and names as people read them."""

from __future__ import annotations

import math

import pytest

from mixopt.report import wording


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.61234, 0.0131, "0.612 ± 0.013"),
        (2.34567, 0.2, "2.35 ± 0.20"),
        (1234.5, 56.0, "1234 ± 56"),
        (0.5, math.nan, "0.5"),
        (0.5, 0.0, "0.5"),
        (None, 0.1, "-"),
        (math.nan, 0.1, "-"),
    ],
)
def test_values_have_the_digits_of_their_error(
    value: float | None, error: float, expected: str
) -> None:
    assert wording.with_error(value, error) == expected


def test_measures_are_named_and_explained() -> None:
    assert wording.measure_name("sft/margin/recall") == "margin after sft, recall"
    explained = wording.measure_explained("pretrain/bits_per_byte/mean")
    assert "averaged over domains" in explained
    assert explained.endswith("less is better")
    assert wording.measure_explained("sft/accuracy/mean").endswith("more is better")


@pytest.mark.parametrize(
    ("seconds", "expected"), [(12.34, "12.3 s"), (90, "1.5 min"), (5400, "1.5 h")]
)
def test_times_have_the_largest_unit(seconds: float, expected: str) -> None:
    assert wording.duration(seconds) == expected


def test_names_are_escaped_and_cut() -> None:
    assert wording.plotted('<b>&"') == '&lt;b&gt;&amp;"'
    assert wording.shortened("abcdef", 4) == "abc…"
    assert wording.shortened("abcd", 4) == "abcd"
