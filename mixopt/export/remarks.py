"""What a stage asks for beyond a mixture, in words: comments of configs and lines of a README."""

from __future__ import annotations

from mixopt.export.planned import PlannedGate, PlannedStage
from mixopt.schedule.schedule import Ordering

FREEZE = "mixopt schedule freeze"


def comments(stage: PlannedStage) -> list[str]:
    """Return what a config says about its stage before its first key, one line each."""
    lines = []
    if stage.gate is not None:
        lines.append(f"gate: {gate_text(stage.gate)}")
    if stage.online is not None:
        lines.append(f"online: the prior of policy {stage.online.policy}; see {FREEZE}")
    if stage.ordering is not None:
        lines.append(f"ordering: {ordering_text(stage.ordering)}")
    return [" ".join(line.split()) for line in lines]


def notes(stage: PlannedStage) -> list[str]:
    """Return where a config of any target falls short of what the stage asks for."""
    where = f"stage '{stage.name}'"
    found = []
    if stage.gate is not None and not stage.gate.measured:
        found.append(
            f"{where}: it starts where the schedule's tokens put it, not where a run has shown that its "
            f"gate opens. No target waits for a measure: {stage.gate.condition}."
        )
    if stage.gate is not None and stage.gate.measured:
        found.append(
            f"{where}: it starts where its gate opened in proxies, after {stage.gate.share:.1%} of the "
            "tokens of this stage and the one before; the target itself does not wait for the measure."
        )
    if stage.online is not None:
        found.append(
            f"{where}: policy '{stage.online.policy}' cannot run in a target, so its prior is written. "
            f"Freeze it first: {FREEZE}."
        )
    return found


def shuffled(stage: PlannedStage, target: str) -> list[str]:
    """Return one note where a stage asks for an order and a target shuffles."""
    if stage.ordering is None or stage.ordering.strength == 0:
        return []
    return [
        (
            f"stage '{stage.name}': {target} shuffles, so the order is lost "
            f"({ordering_text(stage.ordering)}). The mixture is kept."
        )
    ]


def gate_text(gate: PlannedGate) -> str:
    """Return a gate and where it was resolved to, as one line."""
    origin = "as proxies showed" if gate.measured else "by the schedule's tokens, not measured"
    return f"{gate.condition}; resolved to {gate.share:.4f} of both stages' tokens, {origin}"


def ordering_text(ordering: Ordering) -> str:
    """Return an ordering as one line."""
    first = "least" if ordering.strength > 0 else "greatest"
    return f"by {ordering.score}, {first} first, strength {abs(ordering.strength):g}"
