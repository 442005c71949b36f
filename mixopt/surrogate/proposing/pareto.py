"""Several objectives at once: the schedules of which no other is better in every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.candidates import Box, Candidates, open_box
from mixopt.surrogate.proposing.exploration import DEFAULT_RESTRAINT, WIDTHS, Restraint, price_of
from mixopt.surrogate.proposing.guard import Guards, guards_of

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_PARENTS: Final = 16  # of a round, each the best by other weights of the objectives
_AUGMENT: Final = 0.05  # of the weighted sum in a scalarization
_BARRED: Final = 1e3  # deviations of the values that breaking a guard costs, per unit and at all


@dataclass(frozen=True, kw_only=True, slots=True)
class Compromise:
    """A schedule of the front.

    Attributes:
        point: coordinate name -> value; `space.resolve(point)` is the schedule.
        schedule: the schedule at the point.
        predictions: measure -> predicted value, in its units.
        deviations: measure -> standard deviation of the law's mean.
        divergence: KL of the schedule's doses from the prior's, nats.
    """

    point: dict[str, float]
    schedule: Schedule
    predictions: dict[str, float]
    deviations: dict[str, float]
    divergence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """Schedules of which none is better than another in every objective.

    Attributes:
        measures: the P objectives.
        compromises: from the best in the first objective to the worst in it.
        knee: place of the compromise whose largest loss is least, each objective's losses
            counted in parts of its range on the front.
        losses: [P, P] what the best in the objective of a row loses in that of a column against
            the best there, in units of the column's measure; zero on the diagonal.
    """

    measures: tuple[str, ...]
    compromises: tuple[Compromise, ...]
    knee: int
    losses: Matrix


def propose_front(
    laws: Sequence[MeasureLaw],
    space: Space,
    *,
    restraint: Restraint = DEFAULT_RESTRAINT,
    seed: int,
    candidates: int = 4096,
    points: int = 12,
) -> Front:
    """Return the front of restrained predictions over a space.

    Each objective is restrained as in `propose`. After half of the candidates have filled the box,
    rounds look around the best by randomly weighted augmented Chebyshev distances from the ideal,

        max_p v_p c_p + 0.05 sum_p v_p c_p,   c_p from 0 to 1 over the front, v uniform on the simplex

    (Knowles 2006, "ParEGO", equation 2), so that every part of the front is found, bulging or not.

    Args:
        laws: of the P objectives, two at least.
        space: where to look.
        restraint: penalty, caution and guards.
        seed: names the candidates and the weights.
        candidates: how many schedules to look at.
        points: most compromises to return, spread over the front.

    Raises:
        LawError: fewer than two objectives, or nothing in the recipe is open to the laws.
        SupplyError: no point of the space can be run.
    """
    if len(laws) < 2:
        message = "a front needs at least two objectives"
        raise LawError(message, remedy="Name two, or propose for the one.")
    box = open_box(space)
    view = _View(laws=tuple(laws), box=box, restraint=restraint)
    rng = seeds.generator(seed, "front", *(law.measure for law in laws))
    pool = view.look(np.concatenate([box.baselines, box.fill(candidates // 2, rng)]))
    for width in WIDTHS:
        parents = pool.found.cube[_leaders(pool.costs, rng)]
        near = box.around(parents, max(1, candidates // (2 * len(WIDTHS))), width, rng)
        pool = pool.joined(view.look(np.concatenate([parents[:1], near])))
    return view.front(pool, points)


def undominated(costs: Matrix) -> NDArray[np.int64]:
    """Return the rows of which no other is as good in all columns and better in one; [K].

    Of equal rows the first stays.

    Args:
        costs: [N, P], best when small.
    """
    order = np.lexsort((np.arange(len(costs)), costs.sum(axis=1)))
    kept: list[int] = []
    for row in order:
        if not np.any(np.all(costs[kept] <= costs[row], axis=1)):
            kept.append(int(row))
    return np.array(sorted(kept), np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pool:
    """Candidates, their predictions by every law, and restrained costs [N, P]."""

    found: Candidates
    predicted: tuple[Prediction, ...]
    costs: Matrix

    def joined(self, other: _Pool) -> _Pool:
        """Return the candidates of both, mine first."""
        pairs = zip(self.predicted, other.predicted, strict=True)
        return _Pool(
            found=self.found.joined(other.found),
            predicted=tuple(
                Prediction(
                    mean=np.concatenate([mine.mean, theirs.mean]),
                    deviation=np.concatenate([mine.deviation, theirs.deviation]),
                )
                for mine, theirs in pairs
            ),
            costs=np.concatenate([self.costs, other.costs]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """What the laws say of points of a box."""

    laws: tuple[MeasureLaw, ...]
    box: Box
    restraint: Restraint

    def look(self, cube: Matrix) -> _Pool:
        """Return predictions and costs of points that the supply allows."""
        found = self.box.look(cube, self.laws[0].domains)
        missing = self._guards().violations(found.features)
        barred = _BARRED * ((missing > 0) + missing)
        free, predicted, costs = replace(self.restraint, guards=()), [], []
        for law in self.laws:
            said = law.predict(found.features)
            price = price_of(law, self.box, free)(found) + float(law.values.std()) * barred
            predicted.append(said)
            costs.append(law.sign * said.mean + self.restraint.caution * said.deviation + price)
        return _Pool(found=found, predicted=tuple(predicted), costs=np.stack(costs, axis=1))

    def front(self, pool: _Pool, points: int) -> Front:
        """Return what is not dominated, thinned out."""
        rows = undominated(pool.costs)
        rows = rows[_spread_out(_scaled(pool.costs[rows]), points)]
        rows = rows[np.argsort(pool.costs[rows, 0], kind="stable")]
        costs = pool.costs[rows]
        means = np.stack([law.sign * said.mean[rows] for law, said in self._said(pool)], axis=1)
        best = costs.argmin(axis=0)
        return Front(
            measures=tuple(law.measure for law in self.laws),
            compromises=tuple(self._compromise(pool, int(row)) for row in rows),
            knee=int(_scaled(costs).max(axis=1).argmin()),
            losses=means[best] - np.diag(means[best]),
        )

    def _guards(self) -> Guards:
        return guards_of(self.restraint.guards, self.box, self.laws[0].domains)

    def _said(self, pool: _Pool) -> list[tuple[MeasureLaw, Prediction]]:
        return list(zip(self.laws, pool.predicted, strict=True))

    def _compromise(self, pool: _Pool, row: int) -> Compromise:
        point = self.box.values(pool.found.cube[row])
        return Compromise(
            point=point,
            schedule=self.box.space.resolve(point),
            predictions={law.measure: float(said.mean[row]) for law, said in self._said(pool)},
            deviations={law.measure: float(said.deviation[row]) for law, said in self._said(pool)},
            divergence=float(pool.found.divergences[row]),
        )


def _leaders(costs: Matrix, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the best of the front by random weights of the objectives, and by each alone."""
    rows = undominated(costs)
    scaled = _scaled(costs[rows])
    weights = rng.dirichlet(np.ones(costs.shape[1]), _PARENTS)
    weights = np.concatenate([weights, np.eye(costs.shape[1])])
    weighted = weights[:, None, :] * scaled
    distance = weighted.max(axis=2) + _AUGMENT * weighted.sum(axis=2)
    return np.unique(rows[distance.argmin(axis=1)])


def _scaled(costs: Matrix) -> Matrix:
    """Return costs from 0 to 1 over the rows, column by column."""
    low, width = costs.min(axis=0), np.ptp(costs, axis=0)
    return np.asarray((costs - low) / np.where(width > 0, width, 1.0))


def _spread_out(scaled: Matrix, count: int) -> NDArray[np.int64]:
    """Return some rows: the best of every column and the knee, then each farthest from all others."""
    chosen = list(dict.fromkeys([*scaled.argmin(axis=0).tolist(), scaled.max(axis=1).argmin()]))
    while len(chosen) < min(count, len(scaled)):
        gaps = np.abs(scaled[:, None, :] - scaled[chosen]).max(axis=2).min(axis=1)
        chosen.append(int(gaps.argmax()))
    return np.array(chosen, np.int64)
