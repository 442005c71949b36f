"""Several objectives at once for `mixopt law propose --front`: mixtures that no other one beats."""

from __future__ import annotations

from functools import reduce

import numpy as np

from mixopt.cli import console
from mixopt.cli.law_answers import of_schedule, weight_table
from mixopt.cli.law_fits import Table
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.pareto import propose_front
from mixopt.surrogate.tables.given import Named, natural
from mixopt.surrogate.tables.read import RunTable
from mixopt.surrogate.tables.space import Demands, over_space, table_space

_POINTS = 6


def front(
    table: RunTable, laws: list[MeasureLaw], demands: Demands, restraint: Restraint, seed: int
) -> tuple[Named, dict[str, Table]]:
    """Return the mixtures of the front, the knee first, and what to show of them.

    Args:
        table: of the runs.
        laws: of the objectives.
        demands: what mixtures have to keep.
        restraint: penalty and guards.
        seed: names the candidates.
    """
    runs = table.runs.features
    with console.progress("looking for the front", None):
        found = propose_front(
            [over_space(law, runs) for law in laws],
            table_space(runs, demands),
            restraint=restraint,
            seed=seed,
            points=_POINTS,
        )
    places = [found.knee, *(n for n in range(len(found.compromises)) if n != found.knee)]
    names = ["knee", *(f"front {place + 1}" for place in places[1:])]
    mixtures = [
        of_schedule(table, name, found.compromises[place].schedule)
        for name, place in zip(names, places, strict=True)
    ]
    asked = reduce(Named.joined, mixtures)
    shown = asked.joined(natural(table, demands.supply))
    ends = [law.interval(shown.features) for law in laws]
    means = [law.predict(shown.features).mean for law in laws]
    rows: list[tuple[object, ...]] = [
        (
            name,
            *(
                f"{mean[n]:.4g} [{low[n]:.4g}, {high[n]:.4g}]"
                for mean, (low, high) in zip(means, ends, strict=True)
            ),
        )
        for n, name in enumerate(shown.names)
    ]
    losses: list[tuple[object, ...]] = [
        (f"best in {measure}", *(float(loss) for loss in np.asarray(row)))
        for measure, row in zip(found.measures, found.losses, strict=True)
    ]
    return asked, {
        "weights": weight_table(shown, table.runs, demands),
        "mixtures": (("mixture", *found.measures), rows),
        "losses": (("mixture", *(f"loss in {name}" for name in found.measures)), losses),
    }
