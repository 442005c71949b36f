"""Projection: the mixture nearest to a given one under bounds on shares and on sums of shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Weights = NDArray[np.float64]

_EXACT = 1e-11  # of sums
_INSIDE = 1e-12
_KEPT = 1e-9
_FAINTEST = 1e-12  # a share of zero counts as this much, so that it can be raised
_STEPS = 200
_FLAT = 1e-13  # differences of the dual that are rounding
_LEAST_DAMPING, _FIRST_DAMPING, _MOST_DAMPING = 1e-12, 1e-3, 1e6
_NOTHING = 1e-300
_INFEASIBLE = 2  # what linprog calls it
_LONGEST_STEP = 10.0
_LARGEST_POWER = 600.0


class NoPointError(Exception):
    """No mixture keeps the bounds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Polytope:
    """Bounds on V shares of sum 1.

    Attributes:
        low: [V] least shares.
        high: [V] largest shares.
        sums: [G, V] coefficients of bounded sums, from 0 to 1.
        least: [G] least values of the sums.
        most: [G] largest values of the sums.
    """

    low: Weights
    high: Weights
    sums: Weights
    least: Weights
    most: Weights

    def violation(self, shares: Weights) -> float:
        """Return by how much the worst bound is missed; 0 inside."""
        sums = self.sums @ shares
        missed = [self.low - shares, shares - self.high, self.least - sums, sums - self.most]
        worst = max((float(each.max(initial=0.0)) for each in missed), default=0.0)
        return max(worst, abs(float(shares.sum()) - 1))


def project(shares: Weights, held: Polytope) -> Weights:
    """Return the point of the polytope that is nearest in KL(point || shares); [V].

    The optimum is clip(shares * exp(y_0 + sums' y), low, high) (Csiszar 1975, "I-divergence
    geometry"); y is the minimum of the convex dual function, found by damped Newton steps. A
    multiplier y_g is positive where the least value of sum g binds, negative where the largest
    does, and zero where neither does.

    Args:
        shares: [V] of sum 1.
        held: the bounds.

    Raises:
        NoPointError: the polytope is empty.
    """
    if held.violation(shares) <= _INSIDE:
        return shares
    if np.any(held.low > held.high + _INSIDE):
        raise NoPointError
    if held.low.sum() > 1 + _EXACT or held.high.sum() < 1 - _EXACT:
        raise NoPointError
    found = scaled(shares, held.low, held.high)
    if held.violation(found) <= _INSIDE:
        return found
    found = _Dual(shares, held).minimum()
    if held.violation(found) <= _KEPT:
        return found
    if not _feasible(held):
        raise NoPointError
    return found


def scaled(shares: Weights, low: Weights, high: Weights) -> Weights:
    """Return clip(t shares, low, high) with the t at which it sums to 1; [V].

    The sum grows with t, on straight lines between the values at which a share meets a bound.

    Args:
        shares: [V] of sum 1.
        low: [V] least shares, of sum 1 at most.
        high: [V] largest shares, of sum 1 at least.
    """
    base = np.maximum(shares, _FAINTEST)
    bends = np.sort(np.concatenate([low / base, high / base]))
    sums = np.clip(bends[:, None] * base, low, high).sum(axis=1)
    factor = np.interp(1.0, sums, bends)
    return np.asarray(np.clip(factor * base, low, high))


class _Dual:
    """The dual of a projection; y [1 + G], the first for the sum of all shares."""

    def __init__(self, shares: Weights, held: Polytope) -> None:
        self._shares = np.maximum(shares, _FAINTEST)
        self._low = np.minimum(held.low, held.high)
        self._high = held.high
        self._rows = np.vstack([np.ones(len(shares)), held.sums])
        self._least = np.append(1.0, held.least)
        self._most = np.append(1.0, held.most)

    def minimum(self) -> Weights:
        """Return the shares at the minimum; the best found where bounds contradict each other."""
        y = np.zeros(len(self._rows))
        point = self._point(y)
        damping, value = _LEAST_DAMPING, self._value(y, point)
        for _ in range(_STEPS):
            gradient = self._gradient(y, point)
            if np.abs(gradient).max() <= _EXACT or damping > _MOST_DAMPING:
                break
            moved = self._step(y, point, gradient, damping)
            reached = self._point(moved)
            better = self._value(moved, reached)
            if better <= value + _FLAT:
                y, point, value = moved, reached, better
                damping = max(damping / 100, _LEAST_DAMPING)
            else:
                damping = max(damping * 10, _FIRST_DAMPING)
        return point

    def _point(self, y: Weights) -> Weights:
        """Return the shares that the multipliers stand for."""
        powers = np.clip(y @ self._rows, -_LARGEST_POWER, _LARGEST_POWER)
        return np.asarray(np.clip(self._shares * np.exp(powers), self._low, self._high))

    def _value(self, y: Weights, point: Weights) -> float:
        logs = np.log(np.maximum(point, _NOTHING) / self._shares)
        own = point @ (y @ self._rows - logs + 1)
        return float(own - np.where(y > 0, self._least, self._most) @ y)

    def _gradient(self, y: Weights, point: Weights) -> Weights:
        """Return by how much every sum misses what binds it; 0 where nothing does."""
        sums = self._rows @ point
        below, above = sums - self._least, sums - self._most
        free = np.minimum(below, 0.0) + np.maximum(above, 0.0)
        return np.asarray(np.where(y > 0, below, np.where(y < 0, above, free)))

    def _step(self, y: Weights, point: Weights, gradient: Weights, damping: float) -> Weights:
        """Return the multipliers after a damped Newton step, stopped where one changes its sign."""
        active = (y != 0) | (gradient != 0)
        inside = point * ((point > self._low) & (point < self._high))
        rows = self._rows[active]
        curvature = (rows * inside) @ rows.T + damping * np.eye(len(rows))
        step = np.linalg.solve(curvature, -gradient[active])
        moved = y.copy()
        moved[active] += step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        moved[1:][y[1:] * moved[1:] < 0] = 0.0
        return np.asarray(moved)


def _feasible(held: Polytope) -> bool:
    """Return whether any shares keep the bounds."""
    above = np.concatenate([held.sums, -held.sums])
    found = linprog(
        np.zeros(len(held.low)),
        A_ub=above if len(above) else None,
        b_ub=np.append(held.most, -held.least) if len(above) else None,
        A_eq=np.ones((1, len(held.low))),
        b_eq=[1.0],
        bounds=np.stack([held.low, held.high], axis=1),
    )
    return bool(found.status != _INFEASIBLE)
