"""Reading an export back: the mixture that the target will draw, held against the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixopt.errors import ExportError
from mixopt.export.context import Reading
from mixopt.export.planned import ExportPlan, Part, PlannedStage
from mixopt.schedule.schedule import StageKind

TOLERANCE = 0.005
_TOKEN_TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What one config realizes.

    Attributes:
        target: the target's name.
        stage: the stage's name.
        piece: number of the piece; 0 for the whole stage.
        file: the config.
        tokens: trained on under it.
        shares: realized share of tokens per domain.
        distance: total variation between `shares` and the plan, 0 to 1.
    """

    target: str
    stage: str
    piece: int
    file: str
    tokens: float
    shares: Mapping[str, float]
    distance: float


def verify(
    plan: ExportPlan,
    target: str,
    kinds: Sequence[StageKind],
    readings: Sequence[Reading],
    *,
    tolerance: float = TOLERANCE,
) -> list[Check]:
    """Hold what was read back against the plan.

    Args:
        plan: what was to be written.
        target: the target's name.
        kinds: kinds of stages that it trains.
        readings: what its files give under its own arithmetic.
        tolerance: largest total variation that is let pass.

    Raises:
        ExportError: a stage is missing, or a config misses the plan's shares or tokens.
    """
    checks = []
    for stage in (stage for stage in plan.stages if stage.kind in kinds):
        here = [reading for reading in readings if reading.stage == stage.name]
        pieces = {reading.piece for reading in here}
        if not pieces or pieces not in ({0}, {piece.number for piece in stage.pieces}):
            message = f"{target}: stage '{stage.name}' is not covered by the written configs"
            raise ExportError(message, why=f"Pieces found: {sorted(pieces)}.")
        checks += [_check(target, stage, reading, tolerance) for reading in here]
    return checks


def distance(shares: Mapping[str, float], parts: Sequence[Part]) -> float:
    """Return the total variation between realized shares and planned weights."""
    wanted = {part.domain: part.weight for part in parts}
    names = {*shares, *wanted}
    return sum(abs(shares.get(name, 0.0) - wanted.get(name, 0.0)) for name in names) / 2


def _check(target: str, stage: PlannedStage, reading: Reading, tolerance: float) -> Check:
    planned, tokens = stage.parts, stage.tokens
    if reading.piece:
        piece = stage.pieces[reading.piece - 1]
        planned, tokens = piece.parts, piece.tokens
    gap = distance(reading.shares, planned)
    where = f"{target}/{reading.file}, stage '{stage.name}'"
    if gap > tolerance:
        message = f"{where}: the target would not draw the planned mixture"
        why = (
            f"Total-variation distance {gap:.4f}, allowed {tolerance:g}. {_worst(reading, planned)}"
        )
        remedy = (
            "Train the stage on more tokens, or give the domains longer samples or fewer names."
        )
        raise ExportError(message, why=why, remedy=remedy)
    if abs(reading.tokens - tokens) > _TOKEN_TOLERANCE * tokens:
        message = f"{where}: the target would train on {reading.tokens:,.0f} tokens"
        raise ExportError(message, why=f"The plan has {tokens:,}.")
    return Check(
        target=target,
        stage=stage.name,
        piece=reading.piece,
        file=reading.file,
        tokens=reading.tokens,
        shares=dict(reading.shares),
        distance=gap,
    )


def _worst(reading: Reading, planned: Sequence[Part]) -> str:
    wanted = {part.domain: part.weight for part in planned}
    gaps = {
        name: abs(reading.shares.get(name, 0.0) - wanted.get(name, 0.0))
        for name in {*reading.shares, *wanted}
    }
    name = max(gaps, key=lambda domain: gaps[domain])
    return (
        f"Domain '{name}': planned {wanted.get(name, 0.0):.4f}, "
        f"realized {reading.shares.get(name, 0.0):.4f}."
    )
