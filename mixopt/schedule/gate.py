"""Gates: a stage or a part of it opens when a measure of this proxy passes a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """When to open. Progress, earliest and latest have one unit: a share of the stage, or tokens.

    The measure has passed when it is at or beyond the threshold in `checks` checks in a row. Once it
    is, it still counts as passed within `margin` of the threshold, so noise does not break the row.
    Checks before `earliest` count, but the gate opens no sooner, and it opens at `latest` anyway.
    """

    measure: str
    above: float | None = None  # threshold from below; in units of the measure
    below: float | None = None  # threshold from above; exactly one of the two is given
    checks: int = 1  # in a row
    margin: float = 0.0  # in units of the measure
    earliest: float = 0.0
    latest: float = 1.0
    every: float = 0.05  # between checks

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            message = f"gate on '{self.measure}': exactly one of above and below is needed"
            raise ValueError(message)
        if (
            self.checks < 1
            or self.margin < 0
            or self.every <= 0
            or not 0 <= self.earliest <= self.latest
        ):
            message = (
                f"gate on '{self.measure}': at least one check, a margin of at least 0 and "
                f"0 <= earliest <= latest are needed, got {self}"
            )
            raise ValueError(message)

    def __str__(self) -> str:
        """Return the condition as one line, for comments and manifests."""
        side, threshold = (">=", self.above) if self.above is not None else ("<=", self.below)
        row = f" in {self.checks} checks in a row" if self.checks > 1 else ""
        slack = f" (margin {self.margin:g})" if self.margin else ""
        limits = f"from {self.earliest:g}, at {self.latest:g} at the latest"
        return f"{self.measure} {side} {threshold:g}{row}{slack}, {limits}"


@dataclass(frozen=True, kw_only=True, slots=True)
class GateState:
    """Where a gate stands; the defaults are the start."""

    progress: float = -1.0  # of the last check; below 0 before any
    passed: int = 0  # checks in a row up to now
    fired_at: float | None = None  # progress at which it opened; None while it is shut


def observe(gate: Gate, state: GateState, progress: float, value: float | None) -> GateState:
    """Return the state of a gate after one more check.

    An open gate stays as it is. A check after `latest` finds the gate open since `latest`, so what
    trains must act on that point without a check. A value that is missing or no number has not
    passed.

    Args:
        gate: the condition.
        state: the state before.
        progress: of the stage; more than at the check before.
        value: of the measure.

    Raises:
        ValueError: progress did not grow, or is no number.
    """
    if not progress > state.progress:
        message = f"gate on '{gate.measure}': a check at {progress} after one at {state.progress}"
        raise ValueError(message)
    if state.fired_at is not None:
        return state
    passed = state.passed + 1 if _passes(gate, value, started=state.passed > 0) else 0
    moved = replace(state, progress=progress, passed=passed)
    if progress >= gate.latest:
        return replace(moved, fired_at=gate.latest)
    if progress >= gate.earliest and passed >= gate.checks:
        return replace(moved, fired_at=progress)
    return moved


def _passes(gate: Gate, value: float | None, *, started: bool) -> bool:
    if value is None or math.isnan(value):
        return False
    slack = gate.margin if started else 0.0
    if gate.above is not None:
        return value >= gate.above - slack
    assert gate.below is not None
    return value <= gate.below + slack
