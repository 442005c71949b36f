"""The schedule that a law proposes: the regularized optimum of a measure over a space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.candidates import Box, Candidates, open_box
from mixopt.surrogate.proposing.exploration import (
    DEFAULT_RESTRAINT,
    Ranking,
    Restraint,
    Seen,
    price_of,
    rank_by,
    search,
)
from mixopt.surrogate.proposing.guard import Guards, guards_of, lead

Vector = NDArray[np.float64]

_BARRED: Final = (
    1e3,
    1e6,
)  # deviations of the values that breaking a guard costs: at all, per unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A point of a space that a law recommends.

    Attributes:
        point: coordinate name -> value; `space.resolve(point)` is the schedule.
        schedule: the schedule at the point.
        mean: predicted value, in units of the measure.
        deviation: standard deviation of the law's mean there, in units of the measure.
        divergence: KL of the schedule's doses from the prior's, nats.
        penalized: what was maximized, in units of the measure, larger is better.
        better: probability that it is better than the natural mixture, by the law's doubt of the
            difference; not a number where nobody asked.
        guard_risk: guarded measure -> probability that it is worse than at the natural mixture by
            more than its noise; see `guard.Guards`.
    """

    point: dict[str, float]
    schedule: Schedule
    mean: float
    deviation: float
    divergence: float
    penalized: float
    better: float = math.nan
    guard_risk: Mapping[str, float] = field(default_factory=dict)


def propose(
    law: MeasureLaw,
    space: Space,
    *,
    restraint: Restraint = DEFAULT_RESTRAINT,
    seed: int,
    candidates: int = 4096,
) -> Proposal:
    """Return the point of the largest restrained prediction.

    What is maximized is

        s mean(x) - caution deviation(x) - sd(values) penalty KL(dose(x) || prior dose),

    s = 1 for a maximized measure and -1 for a minimized one. The divergence is Olmix's guard
    against optima that exploit the law's errors (arXiv 2602.12237, section 4), in units of the
    spread of the runs so that one penalty suits all measures; the deviation makes it a lower
    confidence bound. The prior dose is that of the recipe's own priors at the point's shares of
    tokens.

    Guards bind: where some candidate has, for every guarded measure, at most the largest risk of
    being worse than at the natural mixture by more than the measure's noise, the proposal is one
    of those. Where none has, it is the one that lacks least, and its `guard_risk` says so.

    Half of the candidates fill the box; the rest are drawn around the best so far with shrinking
    steps. The natural, uniform and UniMax points are always among them. Caps on epochs hold, as
    every candidate is a schedule that the space resolved.

    Args:
        law: of the measure to improve.
        space: where to look.
        restraint: penalty, caution and guards.
        seed: names the candidates.
        candidates: how many schedules to look at.

    Raises:
        LawError: nothing in the recipe is open to the law.
        SupplyError: no point of the space can be run.
    """
    box = open_box(space)
    price = price_of(law, box, replace(restraint, guards=()))
    rank: Ranking = partial(rank_by, law, price, -restraint.caution)
    guards = guards_of(restraint.guards, box, law.domains)
    seen = search(law, box, partial(_guarded, law, rank, guards), candidates, seed)
    row = np.array([int(seen.worth.argmax())])
    best = proposal_at(box, seen, int(row[0]), seen.worth)
    features = seen.found.features.rows(row)
    risks = guards.risks(features)[:, 0].tolist()
    return replace(
        best,
        penalized=best.penalized + float(_bar(law, guards, features)[0]),
        better=float(lead(law, features, guards.natural).probability[0]),
        guard_risk={each.measure: risk for each, risk in zip(guards.laws, risks, strict=True)},
    )


def proposal_at(box: Box, seen: Seen, row: int, worth: Vector) -> Proposal:
    """Return the candidate of a row as a proposal; `worth` [N] is what ranked the rows."""
    point = box.values(seen.found.cube[row])
    return Proposal(
        point=point,
        schedule=box.space.resolve(point),
        mean=float(seen.predicted.mean[row]),
        deviation=float(seen.predicted.deviation[row]),
        divergence=float(seen.found.divergences[row]),
        penalized=float(worth[row]),
    )


def _guarded(
    law: MeasureLaw, rank: Ranking, guards: Guards, found: Candidates, predicted: Prediction
) -> Vector:
    """Rank candidates that break guards behind all others, the least broken first; [N]."""
    return np.asarray(rank(found, predicted) - _bar(law, guards, found.features))


def _bar(law: MeasureLaw, guards: Guards, features: Features) -> Vector:
    """Return what breaking guards costs, in units of the measure; [N]."""
    missing = guards.violations(features)
    at_all, per_unit = _BARRED
    return np.asarray(law.values.std() * (at_all * (missing > 0) + per_unit * missing))
