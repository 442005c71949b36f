"""Schedules that a law proposes: the regularized optimum, and batches of next trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.surrogate.candidates import Box, Candidates, open_box
from mixopt.surrogate.features import Features
from mixopt.surrogate.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction

Vector = NDArray[np.float64]
Ranking = Callable[[Candidates, Prediction], Vector]
Price = Callable[[Candidates], Vector]

DEFAULT_PENALTY: Final = 0.1  # standard deviations of the measured values per nat
DEFAULT_CAUTION: Final = 0.25  # standard deviations of the law's own doubt
_GUARD_WEIGHT = 2.0  # standard deviations of the measure per one of a guard's
_WIDTHS = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)  # of the rounds around the best, in log odds
_PARENTS = 16
_BOLDNESS = (-0.5, 1.5)  # range of kappa over a batch
_SIBLINGS = 256  # candidates whose endings are tried with the beginning of another
_REACH = 0.15  # Hellinger-like distance within which members of a batch repel each other


@dataclass(frozen=True, kw_only=True, slots=True)
class Restraint:
    """What keeps a proposal from going where a law leads it.

    Attributes:
        penalty: per nat of divergence from the prior, in standard deviations of the values.
        caution: how many standard deviations of the law's doubt to subtract.
        guards: laws of measures that should not become worse than at the natural mixture.
    """

    penalty: float = DEFAULT_PENALTY
    caution: float = DEFAULT_CAUTION
    guards: tuple[MeasureLaw, ...] = ()


DEFAULT_RESTRAINT: Final = Restraint()
UNRESTRAINED: Final = Restraint(penalty=0.0, caution=0.0)


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
    rank = partial(_rank, law, _price(law, box, restraint), -restraint.caution)
    seen = _search(law, box, rank, candidates, seed)
    return _proposal(box, seen, int(seen.worth.argmax()), seen.worth)


def propose_batch(  # noqa: PLR0913 - each is a choice of its own, with a default
    law: MeasureLaw,
    space: Space,
    count: int,
    *,
    restraint: Restraint = UNRESTRAINED,
    seed: int,
    candidates: int = 1024,
    share: int = 1,
) -> tuple[Proposal, ...]:
    """Return points for the next trials, from cautious to bold, none close to another.

    Member j maximizes

        s mean(x) + kappa_j deviation(x)
            - sd(values) (penalty KL(x) + 2 G(x) + sum_i exp(-d_i^2 / (2 h^2)))

    over one set of candidates, with s, KL and G as in `propose`: kappa runs from -0.5 to 1.5 over
    the batch in place of caution, d_i is the distance to the members chosen before (of the roots
    of each stage's dose, h = 0.15), as in local penalization (Gonzalez et al. 2016, "Batch
    Bayesian optimization via local penalization").

    Args:
        law: of the measure to improve.
        space: where to look.
        count: how many points.
        restraint: penalty and guards.
        seed: names the candidates; use another for every batch.
        candidates: how many schedules to look at.
        share: how many points in a row agree in all but the last open stage, so that what they
            have in common is trained once. The first of them is free, and the others recombine
            its beginning with the endings of the best candidates.

    Raises:
        LawError: nothing in the recipe is open to the law.
        SupplyError: no point of the space can be run.
    """
    box = open_box(space)
    price = _price(law, box, restraint)
    middle = partial(_rank, law, price, sum(_BOLDNESS) / 2)
    free = seen = _search(law, box, middle, candidates, seed)
    chosen: list[Vector] = []
    batch: list[Proposal] = []
    for number, kappa in enumerate(np.linspace(*_BOLDNESS, count)):
        if share > 1:
            seen = free if number % share == 0 else _siblings(law, box, middle, free, batch[-1])
        worth = _rank(law, price, float(kappa), seen.found, seen.predicted)
        places = _places(seen.found.features)
        worth = worth - float(law.values.std()) * _crowding(places, chosen)
        best = int(worth.argmax())
        chosen.append(places[best])
        batch.append(_proposal(box, seen, best, worth))
    return tuple(batch)


def _crowding(places: Vector, chosen: list[Vector]) -> Vector:
    """Return how much the members chosen so far repel each place; [N]."""
    squares = [np.sum((places - place) ** 2, axis=1) for place in chosen]
    found = np.zeros(len(places)) + sum(np.exp(-each / (2 * _REACH**2)) for each in squares)
    return np.asarray(found)


def _siblings(law: MeasureLaw, box: Box, rank: Ranking, free: _Seen, leader: Proposal) -> _Seen:
    """Look at candidates that begin as a proposal does and end as the best of the others do."""
    prefix = box.space.prefix_coordinates()
    common = np.array([found.name in prefix for found in box.coordinates])
    cube = free.found.cube[np.argsort(-free.worth, kind="stable")[:_SIBLINGS]]
    return _look(law, box, rank, np.where(common, box.cube(leader.point), cube))


def _rank(
    law: MeasureLaw, price: Price, boldness: float, found: Candidates, predicted: Prediction
) -> Vector:
    worth = -law.sign * predicted.mean + boldness * predicted.deviation
    return np.asarray(worth - price(found))


def _price(law: MeasureLaw, box: Box, restraint: Restraint) -> Price:
    """Return what candidates pay for their divergence and for the guards, in units of the measure."""
    spread = float(law.values.std())
    guards = restraint.guards
    natural = box.look(box.baselines[:1], law.domains).features
    levels = [float(guard.sign * guard.predict(natural).mean[0]) for guard in guards]

    def price(found: Candidates) -> Vector:
        total = restraint.penalty * found.divergences
        for guard, level in zip(guards, levels, strict=True):
            costs = guard.sign * guard.predict(found.features).mean
            excess = np.clip(costs - level, 0.0, None) / guard.values.std()
            total = total + _GUARD_WEIGHT * excess
        return np.asarray(spread * total)

    return price


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """All candidates looked at so far, what the law says of them, and how they rank."""

    found: Candidates
    predicted: Prediction
    worth: Vector  # [N] larger is better

    def joined(self, other: _Seen) -> _Seen:
        mine, theirs = self.predicted, other.predicted
        return _Seen(
            found=self.found.joined(other.found),
            predicted=Prediction(
                mean=np.concatenate([mine.mean, theirs.mean]),
                deviation=np.concatenate([mine.deviation, theirs.deviation]),
            ),
            worth=np.concatenate([self.worth, other.worth]),
        )


def _search(law: MeasureLaw, box: Box, rank: Ranking, count: int, seed: int) -> _Seen:
    """Fill the box, then look around the best so far in rounds of shrinking steps."""
    rng = seeds.generator(seed, "propose", law.measure)
    look = partial(_look, law, box, rank)
    seen = look(np.concatenate([box.baselines, box.fill(count // 2, rng)]))
    for width in _WIDTHS:
        best = np.argsort(-seen.worth, kind="stable")[:_PARENTS]
        parents = seen.found.cube[best]
        near = box.around(parents, max(1, count // (2 * len(_WIDTHS))), width, rng)
        # The best goes along, so that a round is never without a point that can be run.
        seen = seen.joined(look(np.concatenate([parents[:1], near])))
    return seen


def _look(law: MeasureLaw, box: Box, rank: Ranking, cube: NDArray[np.float64]) -> _Seen:
    found = box.look(cube, law.domains)
    predicted = law.predict(found.features)
    return _Seen(found=found, predicted=predicted, worth=rank(found, predicted))


def _proposal(box: Box, seen: _Seen, row: int, worth: Vector) -> Proposal:
    point = box.values(seen.found.cube[row])
    return Proposal(
        point=point,
        schedule=box.space.resolve(point),
        mean=float(seen.predicted.mean[row]),
        deviation=float(seen.predicted.deviation[row]),
        divergence=float(seen.found.divergences[row]),
        penalized=float(worth[row]),
    )


def _places(features: Features) -> NDArray[np.float64]:
    """Return unit vectors whose distances tell schedules apart, order included; [N, S * M]."""
    given = features.tokens[:, :, None] * features.weights
    return np.sqrt(given.reshape(features.num_rows, -1))
