"""A ladder of sizes as a law at one of them, so that proposals can be made for a run nobody has trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.measure_law import MeasureLaw, sign_of
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.runs import Direction, Runs
from mixopt.surrogate.scaling.ladder import Ladder
from mixopt.surrogate.tables.read import RunTable

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AtSize:
    """A weighted sum of a ladder's measures at one size.

    Attributes:
        ladder: of all sizes.
        coefficients: measure -> coefficient of its value.
        parameters: of the model.
        tokens: of all lm stages.
        sign: what turns the sum into a cost.
    """

    ladder: Ladder
    coefficients: Mapping[str, float]
    parameters: float
    tokens: float
    sign: float

    def predict(self, features: Features) -> Prediction:
        """Return the cost of every row; errors of the measures are counted as going together."""
        found = [
            (weight, self.ladder.predict(measure, features, self.parameters, self.tokens))
            for measure, weight in self.coefficients.items()
        ]
        mean = np.sum([weight * each.mean for weight, each in found], axis=0)
        deviation = np.sum([abs(weight) * each.deviation for weight, each in found], axis=0)
        return Prediction(mean=self.sign * mean, deviation=np.asarray(deviation))

    def interval(self, features: Features) -> tuple[Vector, Vector]:
        """Return the ends of the 95% interval of the sum in one new run; [N] each."""
        half = np.zeros(features.num_rows)
        for measure, weight in self.coefficients.items():
            size = (self.parameters, self.tokens)
            low, high = self.ladder.interval(measure, features, *size)
            half += abs(weight) * (high - low) / 2
        mean = self.sign * self.predict(features).mean
        return np.asarray(mean - half), np.asarray(mean + half)


def law_at(sized: AtSize, name: str, direction: Direction) -> MeasureLaw:
    """Return the law of the sum at the size; it was judged on no run, as there is none.

    Raises:
        LawError: a measure of the sum is missing in a rung.
    """
    ladder = sized.ladder
    missing = [measure for measure in sized.coefficients if measure not in ladder.climbs]
    if missing:
        message = f"not every rung has {', '.join(missing)}"
        raise LawError(message, remedy=f"Choose among {', '.join(ladder.climbs)}.")
    runs = ladder.rungs[-1].runs
    columns = [weight * runs.column(name) for name, weight in sized.coefficients.items()]
    values = np.sum(columns, axis=0)
    known = np.flatnonzero(np.isfinite(values))
    values = values[known]
    return MeasureLaw(
        measure=name,
        direction=direction,
        law="ladder",
        scores=(),
        out_of_fold=np.full(len(values), np.nan),
        values=values,
        domains=runs.features.domains,
        fitted=replace(sized, sign=sign_of(direction)),
        rows=known,
    )


def over_same_domains(tables: Sequence[RunTable]) -> list[Runs]:
    """Return the runs of tables over the domains that any of them used, in the first one's order.

    Raises:
        LawError: a table lacks a domain that another used.
    """
    used = list(dict.fromkeys(n for table in tables for n in table.runs.features.domains))
    found = []
    for number, table in enumerate(tables):
        known = (*table.runs.features.domains, *table.unused)
        lacking = [name for name in used if name not in known]
        if lacking:
            message = f"rung {number + 1} knows nothing of {', '.join(lacking)}"
            why = f"It has {', '.join(known)}."
            remedy = "Give all rungs the same columns, with 0 for what is not used."
            raise LawError(message, why=why, remedy=remedy)
        found.append(_over(table.runs, used))
    return found


def _over(runs: Runs, domains: Sequence[str]) -> Runs:
    features = runs.features
    weights = np.zeros((features.num_rows, len(features.stages), len(domains)))
    for number, name in enumerate(features.domains):
        weights[:, :, domains.index(name)] = features.weights[:, :, number]
    full = Features(
        domains=tuple(domains), stages=features.stages, weights=weights, tokens=features.tokens
    )
    return replace(runs, features=full)
