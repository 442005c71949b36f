"""Batches of next trials that a law proposes, and what they are expected to be worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.schedule.space import Space, Values
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.acquire import (
    Outlook,
    batch_worth,
    drawn,
    error_correlation,
    expected_improvement,
    improving,
    log_improvement,
)
from mixopt.surrogate.proposing.candidates import Box, Candidates, open_box
from mixopt.surrogate.proposing.exploration import (
    UNRESTRAINED,
    Price,
    Restraint,
    Seen,
    look_at,
    price_of,
    rank_by,
    search,
)
from mixopt.surrogate.proposing.propose import Proposal, proposal_at

Vector = NDArray[np.float64]
Acquisition = Literal["improvement", "thompson"]

_SHORTLIST: Final = 384  # candidates whose errors are drawn together
_SIBLINGS: Final = 256  # candidates whose endings are tried with the beginning of another


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Points for the next trials.

    Attributes:
        proposals: the most promising first, fewer where the space has no more points; `penalized`
            is the expected improvement of each alone.
        worth: by how much the best of them is expected to beat the best run so far, in units of
            the measure, after what restraint takes off; at least 0.
    """

    proposals: tuple[Proposal, ...]
    worth: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a batch should be: how many points, after which runs.

    Attributes:
        count: how many points.
        done: points of the space that were run.
        acquisition: by expected improvement or by Thompson draws.
        share: how many points in a row agree in all but the last open stage, so that what they
            have in common is trained once. The first of them is free, and the others recombine
            its beginning with the endings of the best candidates.
        candidates: how many schedules to look at.
    """

    count: int
    done: tuple[Values, ...] = ()
    acquisition: Acquisition = "improvement"
    share: int = 1
    candidates: int = 1024


def propose_batch(
    law: MeasureLaw,
    space: Space,
    wanted: Wanted,
    *,
    restraint: Restraint = UNRESTRAINED,
    seed: int,
) -> Batch:
    """Return the points that together promise most over the best run so far.

    The gain of a point x over the runs x_i is

        f(x) - max_i f(x_i),   f(x) = s mean(x) - sd(values) (penalty KL(x) + 2 G(x)),

    with s, KL and G as in `propose`; means are the law's at the runs, too, so that a lucky value
    is not what is to be beaten. Candidates are found in rounds around those of the largest
    expected improvement. Points that are pending, those of the same batch, are taken into account
    by drawing the law's errors at all candidates together.

    Args:
        law: of the measure to improve.
        space: where to look.
        wanted: how many points, after which runs.
        restraint: penalty and guards.
        seed: names the candidates and the draws; use another for every batch.

    Raises:
        LawError: nothing in the recipe is open to the law.
        SupplyError: no point of the space can be run.
    """
    box = open_box(space)
    price = price_of(law, box, restraint)
    known = _known(law, box, price, wanted.done)
    aim = Aim(law=law, price=price, level=float(known.worth.max()))
    free = _new(search(law, box, aim.rank, wanted.candidates, seed), known if wanted.done else None)
    rng = seeds.generator(seed, "batch", law.measure)
    together: Seen | None = None
    for first, count in _groups(wanted):
        among = free
        if first % wanted.share and together is not None:
            among = _siblings(aim, box, free, together.found.cube[first - 1])
        added = _chosen(aim, among, together, (count, wanted.acquisition), rng)
        together = added if together is None else together.joined(added)
    if together is None:
        message = "a batch needs at least one point"
        raise ValueError(message)
    outlook, rows = aim.outlook(together), range(len(together.worth))
    alone = expected_improvement(outlook.gains, outlook.deviations)
    return Batch(
        proposals=tuple(proposal_at(box, together, row, alone) for row in rows),
        worth=batch_worth(outlook, rows, rng),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """What a batch is to beat.

    Attributes:
        law: of the measure to improve.
        price: what candidates pay, in units of the measure.
        level: the restrained prediction of the best run, larger is better.
    """

    law: MeasureLaw
    price: Price
    level: float

    def gains(self, found: Candidates, predicted: Prediction) -> Vector:
        """Return how much better than the best run candidates are expected to be; [N]."""
        return rank_by(self.law, self.price, 0.0, found, predicted) - self.level

    def rank(self, found: Candidates, predicted: Prediction) -> Vector:
        """Return the logarithm of the expected improvement; [N]."""
        return log_improvement(self.gains(found, predicted), predicted.deviation)

    def outlook(self, seen: Seen) -> Outlook:
        """Return gains, deviations and correlations of candidates."""
        return Outlook(
            gains=self.gains(seen.found, seen.predicted),
            deviations=seen.predicted.deviation,
            correlation=error_correlation(self.law, seen.found.features),
        )


def _groups(wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Yield first number and count of points that are chosen from the same candidates."""
    if wanted.share == 1:
        yield 0, wanted.count
        return
    for leader in range(0, wanted.count, wanted.share):
        yield leader, 1
        followers = min(wanted.share, wanted.count - leader) - 1
        if followers:
            yield leader + 1, followers


def _chosen(
    aim: Aim,
    among: Seen,
    pending: Seen | None,
    how: tuple[int, Acquisition],
    rng: np.random.Generator,
) -> Seen:
    """Return the next members of a batch, out of the most promising of some candidates."""
    among = _new(among, pending)
    short = _some(among, np.argsort(-among.worth, kind="stable")[:_SHORTLIST])
    num_pending = 0 if pending is None else len(pending.worth)
    seen = short if pending is None else pending.joined(short)
    count, acquisition = how
    choose = improving if acquisition == "improvement" else drawn
    rows = choose(aim.outlook(seen), count, rng, range(num_pending))
    return _some(seen, np.array(rows))


def _siblings(aim: Aim, box: Box, free: Seen, leader: Vector) -> Seen:
    """Look at candidates that begin as a point of the cube does and end as the best others do."""
    prefix = box.space.prefix_coordinates()
    common = np.array([found.name in prefix for found in box.coordinates])
    cube = free.found.cube[np.argsort(-free.worth, kind="stable")[:_SIBLINGS]]
    return look_at(aim.law, box, aim.rank, np.where(common, leader, cube))


def _known(law: MeasureLaw, box: Box, price: Price, done: Sequence[Values]) -> Seen:
    """Look at the runs with their restrained predictions; at the baselines where none was run."""
    cube = np.array([box.cube(point) for point in done]) if done else box.baselines
    return look_at(law, box, partial(rank_by, law, price, 0.0), cube)


def _new(seen: Seen, known: Seen | None) -> Seen:
    """Leave out candidates that come twice or are known; all stay where none would be left."""
    keys = _keys(seen.found.features)
    before = set() if known is None else set(_keys(known.found.features))
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    rows = sorted(row for key, row in first.items() if key not in before)
    return _some(seen, np.array(rows)) if rows else seen


def _keys(features: Features) -> list[bytes]:
    """Return what tells schedules apart; N of them."""
    weights = features.weights.reshape(features.num_rows, -1)
    columns = np.hstack([weights, features.tokens, features.numbers])
    return [row.tobytes() for row in np.round(columns, 9) + 0.0]


def _some(seen: Seen, index: NDArray[np.int64]) -> Seen:
    found, predicted = seen.found, seen.predicted
    return Seen(
        found=Candidates(
            cube=found.cube[index],
            features=found.features.rows(index),
            divergences=found.divergences[index],
        ),
        predicted=Prediction(mean=predicted.mean[index], deviation=predicted.deviation[index]),
        worth=seen.worth[index],
    )
