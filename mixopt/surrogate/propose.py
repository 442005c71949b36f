"""The schedule that a law proposes: the regularized optimum of a measure over a space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.surrogate.candidates import Box, open_box
from mixopt.surrogate.exploration import Restraint, Seen, price_of, rank_by, search
from mixopt.surrogate.fit import MeasureLaw

Vector = NDArray[np.float64]

DEFAULT_RESTRAINT = Restraint()


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
    """

    point: dict[str, float]
    schedule: Schedule
    mean: float
    deviation: float
    divergence: float
    penalized: float


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

        s mean(x) - caution deviation(x) - sd(values) (penalty KL(dose(x) || prior dose) + 2 G(x)),

    s = 1 for a maximized measure and -1 for a minimized one. The divergence is Olmix's guard
    against optima that exploit the law's errors (arXiv 2602.12237, section 4), in units of the
    spread of the runs so that one penalty suits all measures; the deviation makes it a lower
    confidence bound. The prior dose is that of the recipe's own priors at the point's shares of
    tokens. G sums, over the guards, by how many of its own standard deviations each is predicted
    to be worse than at the natural mixture.

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
    rank = partial(rank_by, law, price_of(law, box, restraint), -restraint.caution)
    seen = search(law, box, rank, candidates, seed)
    return proposal_at(box, seen, int(seen.worth.argmax()), seen.worth)


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
