"""Looking for good points of a space: what is restrained, and rounds of candidates around the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.candidates import Box, Candidates

Vector = NDArray[np.float64]
Ranking = Callable[[Candidates, Prediction], Vector]
Price = Callable[[Candidates], Vector]

DEFAULT_PENALTY: Final = 0.05  # standard deviations of the measured values per nat
DEFAULT_CAUTION: Final = 0.25  # standard deviations of the law's own doubt
_GUARD_WEIGHT = 2.0  # standard deviations of the measure per one of a guard's
WIDTHS: Final = (
    1.0,
    0.7,
    0.5,
    0.3,
    0.2,
    0.1,
    0.05,
    0.02,
)  # of the rounds around the best, in log odds
_PARENTS = 16


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
class Seen:
    """All candidates looked at so far, what the law says of them, and how they rank."""

    found: Candidates
    predicted: Prediction
    worth: Vector  # [N] larger is better

    def joined(self, other: Seen) -> Seen:
        """Return the candidates of both, mine first."""
        mine, theirs = self.predicted, other.predicted
        return Seen(
            found=self.found.joined(other.found),
            predicted=Prediction(
                mean=np.concatenate([mine.mean, theirs.mean]),
                deviation=np.concatenate([mine.deviation, theirs.deviation]),
            ),
            worth=np.concatenate([self.worth, other.worth]),
        )


def search(law: MeasureLaw, box: Box, rank: Ranking, count: int, seed: int) -> Seen:
    """Fill the box, then look around the best so far in rounds of shrinking steps."""
    rng = seeds.generator(seed, "propose", law.measure)
    look = partial(look_at, law, box, rank)
    seen = look(np.concatenate([box.baselines, box.fill(count // 2, rng)]))
    for width in WIDTHS:
        best = np.argsort(-seen.worth, kind="stable")[:_PARENTS]
        parents = seen.found.cube[best]
        near = box.around(parents, max(1, count // (2 * len(WIDTHS))), width, rng)
        # The best goes along, so that a round is never without a point that can be run.
        seen = seen.joined(look(np.concatenate([parents[:1], near])))
    return seen


def look_at(law: MeasureLaw, box: Box, rank: Ranking, cube: NDArray[np.float64]) -> Seen:
    """Return what a law says of points of the cube [N, C] that the supply allows."""
    found = box.look(cube, law.domains)
    predicted = law.predict(found.features)
    return Seen(found=found, predicted=predicted, worth=rank(found, predicted))


def rank_by(
    law: MeasureLaw, price: Price, boldness: float, found: Candidates, predicted: Prediction
) -> Vector:
    """Return how good candidates are, the larger the better, in units of the measure; [N]."""
    worth = -law.sign * predicted.mean + boldness * predicted.deviation
    return np.asarray(worth - price(found))


def price_of(law: MeasureLaw, box: Box, restraint: Restraint) -> Price:
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
