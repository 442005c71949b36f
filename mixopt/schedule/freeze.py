"""Freezing: what training decided, chosen mixtures and opened gates, as an ordinary schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.mixture import Mixture, mixture_of, rounded
from mixopt.schedule.repetition import check_supply
from mixopt.schedule.schedule import Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A mixture that was trained on from one point of a stage to the next choice, or to its end."""

    since: float  # share of the stage's tokens done, in [0, 1)
    mixture: Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """What training decided about a schedule."""

    choices: Mapping[str, Sequence[Choice]]  # by name of the stage with an online policy
    opened: Mapping[str, float]
    """By name of the stage with a gate: the share of its and the earlier stage's tokens there."""


def freeze_schedule(
    schedule: Schedule, decisions: Decisions, supply: Mapping[str, int], tolerance: float = 0.01
) -> Schedule:
    """Return the schedule with chosen mixtures as curves and gates as boundaries.

    Where the few knots of a tolerance would exceed a cap on epochs that the choices themselves
    keep, more knots are taken.

    Args:
        schedule: what was trained.
        decisions: of one run, or means over several; stages without one stay as they are.
        supply: tokens per domain, of all that the schedule and the choices name.
        tolerance: largest difference of any weight from the choices.

    Raises:
        SupplyError: the choices themselves are more than the caps allow.
        ValueError: choices are out of order.
    """
    bounded = _bounded(schedule, decisions.opened)
    found = bounded
    for each in (tolerance, tolerance / 4, 0.0):
        curves = {name: freeze(made, each) for name, made in decisions.choices.items()}
        stages = [
            replace(stage, curve=curves[stage.name], online=None) if stage.name in curves else stage
            for stage in bounded.stages
        ]
        found = replace(bounded, stages=tuple(stages))
        if all(epochs <= found.cap_of(name) for name, epochs in found.epochs(supply).items()):
            return found
    check_supply(found, supply)
    return found


def freeze(trajectory: Sequence[Choice], tolerance: float = 0.01) -> MixtureCurve:
    """Return a piecewise curve with few knots that stays within `tolerance` of a trajectory.

    The full curve goes straight between the middles of the choices' times; where these are equally
    long, it spends exactly the tokens of every domain that were spent. Of its corners the worst is
    inserted until every weight is within the tolerance of it everywhere (Douglas and Peucker, 1973,
    with the largest difference of a weight as distance), so its doses are met within the same.

    Args:
        trajectory: choices in ascending order, the first at 0.
        tolerance: largest difference of any weight.

    Raises:
        ValueError: the choices are none, out of order, or do not begin at 0.
    """
    since, domains, table = _table(trajectory)
    middles = (since + np.append(since[1:], 1.0)) / 2
    at, rows = np.array([0.0, *middles, 1.0]), np.concatenate([table[:1], table, table[-1:]])
    kept = _corners(at, rows, tolerance)
    knots = tuple(
        Knot(at=float(at[one]), mixture=_mixture(domains, rows[one])) for one in sorted(kept)
    )
    if len(knots) == 2 and knots[0].mixture == knots[1].mixture:
        return constant(knots[0].mixture)
    return MixtureCurve(shape="piecewise", knots=knots)


def mean_choices(trajectories: Sequence[Sequence[Choice]]) -> tuple[Choice, ...]:
    """Return the mean of several trajectories of one stage: a choice wherever one of them has one.

    Raises:
        ValueError: there is none, or one of them is out of order or does not begin at 0.
    """
    if not trajectories:
        message = "no trajectory to take the mean of"
        raise ValueError(message)
    tables = [_table(each) for each in trajectories]
    domains = tuple(dict.fromkeys(name for _, names, _ in tables for name in names))
    points = np.unique(np.concatenate([since for since, _, _ in tables]))
    total = np.zeros((len(points), len(domains)))
    for since, names, table in tables:
        held = table[np.searchsorted(since, points, side="right") - 1]
        total[:, [domains.index(name) for name in names]] += held / len(tables)
    return tuple(
        Choice(since=float(at), mixture=mixture_of(dict(zip(domains, row, strict=True))))
        for at, row in zip(points, total.tolist(), strict=True)
    )


def _bounded(schedule: Schedule, opened: Mapping[str, float]) -> Schedule:
    """Return the schedule with boundaries where gates opened; the two stages keep their tokens."""
    stages = list(schedule.stages)
    for position, stage in enumerate(schedule.stages):
        if stage.gate is not None and position > 0 and stage.name in opened:
            before = stages[position - 1]
            total = before.tokens + stage.tokens
            first = min(max(round(opened[stage.name] * total), 1), total - 1)
            stages[position - 1] = replace(before, tokens=first)
            stages[position] = replace(stage, tokens=total - first, gate=None)
    return replace(schedule, stages=tuple(stages))


def _table(
    trajectory: Sequence[Choice],
) -> tuple[NDArray[np.float64], tuple[str, ...], NDArray[np.float64]]:
    """Return when each choice began [N], the domains [M], and the weights [N, M]."""
    since = np.array([choice.since for choice in trajectory])
    if not len(since) or since[0] != 0 or (np.diff(since) <= 0).any() or since[-1] >= 1:
        message = f"choices in ascending order from 0 to below 1 are needed, got {since.tolist()}"
        raise ValueError(message)
    domains = tuple(dict.fromkeys(name for each in trajectory for name in each.mixture.domains))
    return since, domains, np.stack([choice.mixture.on(domains) for choice in trajectory])


def _corners(at: NDArray[np.float64], rows: NDArray[np.float64], tolerance: float) -> set[int]:
    """Return which points to keep; `at` is [N], `rows` [N, M]."""
    kept = {0, len(at) - 1}
    while True:
        chosen = sorted(kept)
        drawn = np.stack([np.interp(at, at[chosen], column[chosen]) for column in rows.T], axis=1)
        errors = np.abs(rows - drawn).max(axis=1)
        worst = int(errors.argmax())
        if errors[worst] <= tolerance or worst in kept:
            return kept
        kept.add(worst)


def _mixture(domains: tuple[str, ...], weights: NDArray[np.float64]) -> Mixture:
    return rounded(mixture_of(dict(zip(domains, weights.tolist(), strict=True))))
