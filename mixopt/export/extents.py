"""Where the stages of a schedule start and end at the target, as far as gates decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mixopt.errors import ExportError
from mixopt.export.planned import PlannedGate
from mixopt.schedule.schedule import Schedule, Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """A stage with the tokens that it has at the target.

    Attributes:
        stage: the stage.
        tokens: trained on in it.
        span_tokens: that its curve and learning rate are laid over; more than `tokens` where the gate
            of the next stage opens before its latest point.
        gate: its own gate, if it has one.
    """

    stage: Stage
    tokens: int
    span_tokens: int
    gate: PlannedGate | None = None


def lay_extents(schedule: Schedule, fired: Mapping[str, float]) -> list[Extent]:
    """Return the extent of every stage.

    A stage behind a gate and the one before it have their tokens together; the gate says where the
    one ends and the other starts. Where a gate was measured, the stage before is laid over the tokens
    up to the gate's latest point, as proxies are trained that do not know when it will open.

    Args:
        schedule: what the target is to train.
        fired: stage -> share of both stages' tokens after which its gate opened; a gated stage that is
            missing starts where the schedule's tokens put it.

    Raises:
        ExportError: a stage of `fired` has no gate, or a share is not between 0 and 1.
    """
    _check(schedule, fired)
    found = [Extent(stage=s, tokens=s.tokens, span_tokens=s.tokens) for s in schedule.stages]
    for position, stage in enumerate(schedule.stages[1:], start=1):
        if stage.gate is not None:
            both = found[position - 1 : position + 1]
            found[position - 1 : position + 1] = _split(both, fired.get(stage.name))
    return found


def _split(both: Sequence[Extent], share: float | None) -> list[Extent]:
    before, after = both
    gate = after.stage.gate
    assert gate is not None
    total = before.tokens + after.tokens
    if share is None:
        nominal = PlannedGate(condition=str(gate), share=before.tokens / total, measured=False)
        return [before, replace(after, gate=nominal)]
    done = min(max(round(share * total), 1), total - 1)
    span = max(done, min(round(gate.latest * total), total))
    measured = PlannedGate(condition=str(gate), share=share, measured=True)
    return [
        replace(before, tokens=done, span_tokens=span),
        replace(after, tokens=total - done, span_tokens=total - done, gate=measured),
    ]


def _check(schedule: Schedule, fired: Mapping[str, float]) -> None:
    gated = [stage.name for stage in schedule.stages[1:] if stage.gate is not None]
    for name, share in fired.items():
        if name not in gated or not 0 < share < 1:
            message = f"no gate of a stage '{name}' opened after {share:g} of the tokens"
            raise ExportError(
                message,
                why=f"Stages with a gate: {', '.join(gated) or 'none'}; a share is between 0 and 1.",
            )
