"""Cutting a stage whose mixture moves into constant pieces, and how far the pieces are from the curve."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule import simplex
from mixopt.schedule.curve import MixtureCurve

PIECES_PER_MOVE = 4
_POINTS = 64  # quadrature points in a piece


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One constant piece of a stage.

    Attributes:
        steps: optimizer steps in the piece.
        weights: [M] mean weights of the curve over the piece.
        distance: mean total variation between the curve and `weights`, 0 to 1.
    """

    steps: int
    weights: NDArray[np.float64]
    distance: float


def cut(
    curve: MixtureCurve,
    domains: tuple[str, ...],
    steps: int,
    span: int | None = None,
    per_move: int = PIECES_PER_MOVE,
) -> list[Cut]:
    """Cut a stage into pieces at whole steps; a stage that holds one mixture is one piece.

    Args:
        curve: the mixture over the stage.
        domains: the M domains, in the order of the weights.
        steps: optimizer steps of the stage.
        span: steps that the curve is laid over; more than `steps` where the stage ends early.
        per_move: pieces between two knots whose mixtures differ.
    """
    span = span or steps
    bounds = np.unique(np.round(np.array(_bounds(curve, domains, per_move)) * span))
    bounds = np.append(bounds[bounds < steps], steps)
    return [
        _piece(curve, domains, float(first), float(last), span)
        for first, last in itertools.pairwise(bounds)
    ]


def exact_shares(weights: NDArray[np.float64]) -> list[float]:
    """Return shares with at most twelve digits whose decimal texts sum to exactly 1.

    Trainers that check the sum compare it to 1; a weight under 1e-12 becomes zero.
    """
    units = simplex.apportion(weights, 10**12)
    return [int(unit) / 10**12 for unit in units]


def total_variation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return half the sum of absolute differences along the last axis, averaged over the others."""
    return float(np.mean(np.abs(first - second).sum(axis=-1) / 2))


def _bounds(curve: MixtureCurve, domains: tuple[str, ...], per_move: int) -> list[float]:
    found = [0.0]
    knots = [knot for knot in curve.knots if knot.at > 0]
    before = curve.knots[0]
    for knot in knots:
        moves = total_variation(before.mixture.on(domains), knot.mixture.on(domains)) > 0
        parts = per_move if moves else 1
        found += np.linspace(before.at, knot.at, parts + 1)[1:].tolist()
        before = knot
    return [*found, 1.0]


def _piece(
    curve: MixtureCurve, domains: tuple[str, ...], first: float, last: float, span: int
) -> Cut:
    middles = (first + (np.arange(_POINTS) + 0.5) / _POINTS * (last - first)) / span
    table = curve.weights_at(middles, domains)
    mean = table.mean(axis=0)
    weights = np.asarray(mean / mean.sum())
    return Cut(steps=int(last - first), weights=weights, distance=total_variation(table, weights))
