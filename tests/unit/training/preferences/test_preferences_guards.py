"""Guards: what they find and what they let pass."""

from __future__ import annotations

import math

from mixopt.training.preferences.guards import (
    biased_lengths,
    degenerate_pairs,
    likelihood_collapse,
)
from mixopt.training.preferences.judged import LengthBias


def test_lost_likelihood_is_found_and_gains_are_not() -> None:
    found = likelihood_collapse([-1.0, -1.0, -1.0], [-1.4, -1.6, 0.0], bound=0.5)
    assert [(each.name, each.member) for each in found] == [("likelihood_collapse", 1)]
    assert math.isclose(found[0].value, 0.6)
    assert "member 1" in str(found[0])
    assert "0.6, beyond 0.5" in str(found[0])


def test_slots_at_rest_have_no_findings() -> None:
    assert likelihood_collapse([math.nan], [math.nan]) == []
    assert degenerate_pairs([0.0]) == []


def test_a_length_bias_must_be_large_and_clear() -> None:
    biases = [
        LengthBias(value=0.9, standard_error=0.1),
        LengthBias(value=-0.9, standard_error=0.1),
        LengthBias(value=0.9, standard_error=0.5),
        LengthBias(value=0.4, standard_error=0.01),
    ]
    found = biased_lengths(biases, bound=0.5)
    assert [each.member for each in found] == [0, 1]
    assert found[1].value == -0.9


def test_too_many_degenerate_pairs_are_found() -> None:
    found = degenerate_pairs([0.5, 0.51], bound=0.5)
    assert [(each.name, each.member) for each in found] == [("degenerate_pairs", 1)]
