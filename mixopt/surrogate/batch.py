"""Batches of next trials that a law proposes, from cautious to bold, none close to another."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule.space import Space
from mixopt.surrogate.candidates import Box, open_box
from mixopt.surrogate.exploration import (
    Ranking,
    Restraint,
    Seen,
    look_at,
    price_of,
    rank_by,
    search,
)
from mixopt.surrogate.features import Features
from mixopt.surrogate.fit import MeasureLaw
from mixopt.surrogate.propose import Proposal, proposal_at

Vector = NDArray[np.float64]

UNRESTRAINED: Final = Restraint(penalty=0.0, caution=0.0)
_BOLDNESS = (-0.5, 1.5)  # range of kappa over a batch
_SIBLINGS = 256  # candidates whose endings are tried with the beginning of another
_REACH = 0.15  # Hellinger-like distance within which members of a batch repel each other


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
    price = price_of(law, box, restraint)
    middle = partial(rank_by, law, price, sum(_BOLDNESS) / 2)
    free = seen = search(law, box, middle, candidates, seed)
    chosen: list[Vector] = []
    batch: list[Proposal] = []
    for number, kappa in enumerate(np.linspace(*_BOLDNESS, count)):
        if share > 1:
            seen = free if number % share == 0 else _siblings(law, box, middle, free, batch[-1])
        worth = rank_by(law, price, float(kappa), seen.found, seen.predicted)
        places = _places(seen.found.features)
        worth = worth - float(law.values.std()) * _crowding(places, chosen)
        best = int(worth.argmax())
        chosen.append(places[best])
        batch.append(proposal_at(box, seen, best, worth))
    return tuple(batch)


def _crowding(places: Vector, chosen: list[Vector]) -> Vector:
    """Return how much the members chosen so far repel each place; [N]."""
    squares = [np.sum((places - place) ** 2, axis=1) for place in chosen]
    found = np.zeros(len(places)) + sum(np.exp(-each / (2 * _REACH**2)) for each in squares)
    return np.asarray(found)


def _siblings(law: MeasureLaw, box: Box, rank: Ranking, free: Seen, leader: Proposal) -> Seen:
    """Look at candidates that begin as a proposal does and end as the best of the others do."""
    prefix = box.space.prefix_coordinates()
    common = np.array([found.name in prefix for found in box.coordinates])
    cube = free.found.cube[np.argsort(-free.worth, kind="stable")[:_SIBLINGS]]
    return look_at(law, box, rank, np.where(common, box.cube(leader.point), cube))


def _places(features: Features) -> NDArray[np.float64]:
    """Return unit vectors whose distances tell schedules apart, order included; [N, S * M]."""
    given = features.tokens[:, :, None] * features.weights
    return np.sqrt(given.reshape(features.num_rows, -1))
