from typing import Any

import pytest

from mixopt.schedule.gate import Gate, GateState, observe

NAN = float("nan")


def _fired(gate: Gate, values: list[float | None], every: float = 0.1) -> float | None:
    state = GateState()
    for number, value in enumerate(values):
        state = observe(gate, state, round(every * (number + 1), 9), value)
    return state.fired_at


def _gate(settings: dict[str, Any]) -> Gate:
    return Gate(measure="recall", **({"above": 0.8} | settings))


@pytest.mark.parametrize(
    ("settings", "values", "fired"),
    [
        ({}, [0.5, 0.7, 0.8], 0.3),  # at the threshold is past it
        ({}, [0.5, 0.79], None),
        ({"above": None, "below": 2.0}, [3.0, 2.0, 2.5], 0.2),
        ({"above": None, "below": 2.0}, [3.0, 2.1], None),
        ({"checks": 2}, [0.9, 0.5, 0.9, 0.9], 0.4),  # a row that breaks begins anew
        ({"checks": 3}, [0.9, 0.9, 0.5, 0.9, 0.9], None),
        ({"checks": 3, "margin": 0.1}, [0.85, 0.75, 0.71], 0.3),  # within the margin it holds
        ({"checks": 3, "margin": 0.1}, [0.85, 0.65, 0.9], None),
        ({"checks": 2, "margin": 0.1}, [0.75, 0.75, 0.75], None),  # the margin starts nothing
        ({"checks": 2, "margin": 0.1, "above": None, "below": 2.0}, [2.0, 2.05], 0.2),
        ({"earliest": 0.4}, [0.9, 0.9, 0.9, 0.9], 0.4),  # what passed before is not lost
        ({"earliest": 0.25}, [0.9, 0.5, 0.5, 0.9], 0.4),  # but has to hold when it counts
        ({"earliest": 0.4, "checks": 3}, [0.5, 0.5, 0.9, 0.9, 0.9], 0.5),
        ({"latest": 0.3}, [0.1, 0.1, 0.1], 0.3),
        ({"latest": 0.25}, [0.1, 0.1, 0.1], 0.25),  # open since then, whenever it is looked at
        ({"latest": 0.3, "checks": 9}, [0.9, 0.9, 0.9], 0.3),
        ({"latest": 0.3}, [None, NAN, None], 0.3),  # also without any measure
        ({"earliest": 0.2, "latest": 0.2}, [0.9, 0.1], 0.2),
        ({"latest": 0.0}, [0.1], 0.0),
        ({"checks": 2}, [0.9, NAN, 0.9], None),  # no number has not passed
        ({"checks": 2}, [0.9, None, 0.9], None),
        ({"latest": 5.0, "earliest": 2.0}, [0.9] * 9, None),
    ],
)
def test_fires_when_it_should(
    settings: dict[str, Any], values: list[float | None], fired: float | None
) -> None:
    assert _fired(_gate(settings), values) == fired


def test_an_open_gate_stays_as_it_is() -> None:
    state = observe(_gate({}), GateState(), 0.3, 0.9)
    assert state.fired_at == 0.3
    assert observe(_gate({}), state, 0.4, 0.0) == state
    assert observe(_gate({}), state, 1.0, 0.9) == state


@pytest.mark.parametrize("progress", [0.3, 0.2, NAN])
def test_progress_grows(progress: float) -> None:
    state = observe(_gate({}), GateState(), 0.3, 0.1)
    with pytest.raises(ValueError, match=r"after one at 0\.3"):
        observe(_gate({}), state, progress, 0.9)


def test_the_first_check_may_be_at_the_start() -> None:
    assert observe(_gate({}), GateState(), 0.0, 0.9).fired_at == 0
    assert observe(_gate({"earliest": 0.1}), GateState(), 0.0, 0.9).fired_at is None


def test_observing_is_pure() -> None:
    state = observe(_gate({"checks": 2}), GateState(), 0.1, 0.9)
    first, again = (observe(_gate({"checks": 2}), state, 0.2, 0.9) for _ in range(2))
    assert first == again
    assert state == GateState(progress=0.1, passed=1)


@pytest.mark.parametrize(
    "settings",
    [
        {"above": None},
        {"below": 0.1},
        {"checks": 0},
        {"margin": -0.1},
        {"earliest": 0.6, "latest": 0.5},
        {"earliest": -0.1},
        {"earliest": NAN},
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="gate on 'recall'"):
        _gate(settings)


def test_a_gate_reads_as_a_line() -> None:
    gate = _gate({"checks": 3, "margin": 0.05, "earliest": 0.2, "latest": 0.6})
    expected = "recall >= 0.8 in 3 checks in a row (margin 0.05), from 0.2, at 0.6 at the latest"
    assert str(gate) == expected
    plain = Gate(measure="loss", below=2.0)
    assert str(plain) == "loss <= 2, from 0, at 1 at the latest"
