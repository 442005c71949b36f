"""A ladder of model sizes and token budgets: measures at a size that nobody has trained yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import stats

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import FEWEST_ROWS, fit_measure
from mixopt.surrogate.laws.law import Law, Matrix, Prediction, Vector
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.runs import Direction, Runs
from mixopt.surrogate.scaling.climb import Climb, Rung, Step, scaling_law, trust_in
from mixopt.surrogate.scaling.transfer import transfer
from mixopt.surrogate.scores import rank_correlation

_FEWEST_RUNS = 3  # of a rung above the first: a slope, an intercept and what is left
_BEST = 8  # schedules among which order is looked at
_STEPS = 24  # sizes looked at between the largest rung and the target
_SIGNS: Final[Mapping[Direction, float]] = {"minimize": 1.0, "maximize": -1.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """Two schedules that change places on the way from the largest rung to the target.

    Attributes:
        better: row of the schedule that is better at the largest rung.
        overtaken_by: row of the schedule that is better at the target.
        parameters: of the model where they change places.
        tokens: of the budget there.
        gain: by how much the second is better at the target, in units of the measure.
    """

    better: int
    overtaken_by: int
    parameters: float
    tokens: float
    gain: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reordering:
    """How far the order of the best schedules is expected to change.

    Attributes:
        best: rows that were looked at, the best at the largest rung first.
        rank_correlation: Spearman's between the largest rung and the target, among these.
        flips: pairs that change places, the largest gain first.
    """

    best: tuple[int, ...]
    rank_correlation: float
    flips: tuple[Flip, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Measures over sizes: y(x, size) = y_k(x) + change from size_k, k the nearest rung.

    y_k is the law of the rung, carried up from the rung below it by `transfer`. The change is what
    the joint additive scaling law (arXiv 2507.09404) of all runs foresees, its differences between
    schedules shrunk as far as `Trust` says. At a rung its own law speaks alone.

    Attributes:
        rungs: in ascending order of compute, parameters times tokens.
        climbs: by measure.
    """

    rungs: tuple[Rung, ...]
    climbs: Mapping[str, Climb]

    def predict(
        self, measure: str, features: Features, parameters: float, tokens: float
    ) -> Prediction:
        """Return predictions at a size, in units of the measure.

        Away from the rungs the deviation grows with the change and with the distance to the nearest
        rung, as fast as the lower rungs were wrong about the largest.

        Args:
            measure: its name.
            features: N schedules, over the domains of the ladder.
            parameters: of the model.
            tokens: of all lm stages.

        Raises:
            LawError: the measure is not known, or a size is not positive.
        """
        climb, index, distance = self._find(measure, parameters, tokens)
        here = climb.steps[index].law.predict(features)
        if distance == 0:
            return Prediction(mean=climb.sign * here.mean, deviation=here.deviation)
        change = climb.change(features, self.rungs[index], parameters, tokens)
        return Prediction(
            mean=climb.sign * (here.mean + change.mean),
            # What a rung's few runs do not show of a change goes on beyond it: doubts add up.
            deviation=here.deviation + change.deviation,
        )

    def interval(
        self,
        measure: str,
        features: Features,
        parameters: float,
        tokens: float,
        level: float = 0.95,
    ) -> tuple[Vector, Vector]:
        """Return low [N] and high [N] ends of the interval of one new run's value at a size."""
        climb, index, _ = self._find(measure, parameters, tokens)
        step = climb.steps[index]
        found = self.predict(measure, features, parameters, tokens)
        quantile = float(stats.t.ppf((1 + level) / 2, max(step.num_runs - 2, 1)))
        half = quantile * np.sqrt(found.deviation**2 + step.scatter)
        return found.mean - half, found.mean + half

    def flips(
        self, measure: str, features: Features, parameters: float, tokens: float
    ) -> Reordering:
        """Return where the order of the best schedules is expected to change up to a size.

        Args:
            measure: its name.
            features: N schedules, over the domains of the ladder.
            parameters: of the target model.
            tokens: of the target's lm stages.
        """
        climb, largest = self._find(measure, parameters, tokens)[0], self.rungs[-1]
        path = np.exp(np.linspace(largest.place, np.log([parameters, tokens]), _STEPS))
        costs = climb.sign * np.array(
            [self.predict(measure, features, size[0], size[1]).mean for size in path]
        )
        best = np.argsort(costs[0], kind="stable")[:_BEST]
        found = [
            _flip(costs, path, int(first), int(second))
            for place, first in enumerate(best)
            for second in best[place + 1 :]
            if costs[-1, second] < costs[-1, first]
        ]
        return Reordering(
            best=tuple(int(row) for row in best),
            rank_correlation=rank_correlation(costs[0, best], costs[-1, best]),
            flips=tuple(sorted(found, key=lambda flip: -flip.gain)),
        )

    def _find(self, measure: str, parameters: float, tokens: float) -> tuple[Climb, int, float]:
        """Return the measure's laws, the nearest rung and how far it is."""
        if measure not in self.climbs:
            message = f"the ladder has no measure '{measure}'"
            raise LawError(message, remedy=f"Choose one of {', '.join(self.climbs)}.")
        if not (parameters > 0 and tokens > 0):
            message = f"no model has {parameters:g} parameters and {tokens:g} tokens"
            raise LawError(message, remedy="Give positive sizes.")
        place = np.log([parameters, tokens])
        distances = [float(np.linalg.norm(rung.place - place)) for rung in self.rungs]
        nearest = min(range(len(distances)), key=lambda index: (distances[index], -index))
        near = distances[nearest]
        return self.climbs[measure], nearest, near if near > 1e-9 else 0.0


def fit_ladder(rungs: Sequence[Rung], *, seed: int, laws: Mapping[str, Law] = LAWS) -> Ladder:
    """Fit the laws of all measures that every rung has.

    The first rung with enough runs is fitted on its own; every other is carried over from its
    neighbour on that side, its slopes pooled over measures. Doubt beyond the ladder comes from the
    ladder without its largest rung, which is asked to predict it.

    Args:
        rungs: two or more, of different sizes, over the same domains and stages.
        seed: names folds and starts.
        laws: families for the first rung.

    Raises:
        LawError: there are fewer than two sizes, no rung has enough runs, a rung has fewer than
            three, or rungs differ in domains or have no measure in common.
    """
    ordered = sorted(rungs, key=lambda rung: (rung.parameters * rung.tokens, rung.parameters))
    measures = _check(ordered)
    ordered = [replace(rung, runs=rung.runs.only(measures)) for rung in ordered]
    start = next((i for i, rung in enumerate(ordered) if rung.runs.num_rows >= FEWEST_ROWS), None)
    if start is None:
        message = "no rung of the ladder has enough runs for a law"
        raise LawError(message, remedy=f"Train {FEWEST_ROWS} or more runs of the smallest size.")
    signs = np.array([_SIGNS[direction] for direction in ordered[0].runs.directions])
    costs = [rung.runs.values * signs for rung in ordered]
    chain = _chain(ordered, costs, _base(ordered[start].runs, seed, laws), start)
    climbs = {}
    for number, measure in enumerate(measures):
        columns = [column[:, number] for column in costs]
        scaling = scaling_law(ordered, columns, seed)
        climbs[measure] = Climb(
            sign=float(signs[number]),
            steps=tuple(step[number] for step in chain),
            scaling=scaling,
            trust=trust_in(
                ordered,
                columns,
                [step[number] for step in chain],
                seed,
                tested=start < len(ordered) - 1,
            ),
        )
    return Ladder(rungs=tuple(ordered), climbs=climbs)


def _base(runs: Runs, seed: int, laws: Mapping[str, Law]) -> list[Step]:
    """Return the laws of the runs from which others are carried over."""
    steps = []
    for number, (measure, direction) in enumerate(zip(runs.measures, runs.directions, strict=True)):
        known = np.isfinite(runs.values[:, number])
        values, noise = runs.values[known, number], runs.noise[known, number]
        law = fit_measure(
            measure, direction, runs.features.rows(known), values, noise, seed=seed, laws=laws
        )
        # The calibrated doubt of the law is what it misses unseen runs by, but for their noise.
        scatter = 0.0 if law.calibration is None else law.calibration.noise
        steps.append(Step(law=law.fitted, scatter=scatter, num_runs=len(values)))
    return steps


def _chain(
    rungs: Sequence[Rung], costs: Sequence[Matrix], base: list[Step], start: int
) -> list[list[Step]]:
    """Return the laws of every rung and measure, each carried over from its neighbour."""
    chain: dict[int, list[Step]] = {start: base}
    for index in [*range(start + 1, len(rungs)), *range(start - 1, -1, -1)]:
        neighbour = chain[index - 1 if index > start else index + 1]
        sources = [step.law for step in neighbour]
        runs = rungs[index].runs
        found = transfer(sources, runs.features, costs[index], runs.noise)
        steps = []
        for law, column in zip(found, costs[index].T, strict=True):
            values = column[np.isfinite(column)]
            missed = float(np.mean((values - law.alone.mean) ** 2 - law.alone.deviation**2))
            steps.append(Step(law=law, scatter=max(missed, 0.0), num_runs=len(values)))
        chain[index] = steps
    return [chain[index] for index in range(len(rungs))]


def _flip(costs: Matrix, path: Matrix, first: int, second: int) -> Flip:
    """Return where the second schedule first stays ahead of the first."""
    ahead = costs[:, second] < costs[:, first]
    behind = np.flatnonzero(~ahead)
    where = path[int(behind[-1]) + 1]
    return Flip(
        better=first,
        overtaken_by=second,
        parameters=float(where[0]),
        tokens=float(where[1]),
        gain=float(costs[-1, first] - costs[-1, second]),
    )


def _check(rungs: Sequence[Rung]) -> tuple[str, ...]:
    """Return the measures that all rungs have."""
    what = "no ladder can be built"
    places = {tuple(np.round(rung.place, 9)) for rung in rungs}
    if len(places) < 2 or len(places) < len(rungs):
        why = f"Rungs: {len(rungs)}, of different sizes: {len(places)}."
        raise LawError(what, why=why, remedy="Give runs of two sizes or more, one rung per size.")
    first = rungs[0].runs
    for rung in rungs:
        found = rung.runs
        if (found.features.domains, found.features.stages) != (
            first.features.domains,
            first.features.stages,
        ):
            why = "The rungs are over other domains or stages."
            raise LawError(what, why=why, remedy="Describe all runs over the same domains.")
        if found.num_rows < _FEWEST_RUNS:
            why = f"The rung of {rung.parameters:g} parameters has {found.num_rows} runs."
            raise LawError(what, why=why, remedy=f"Train {_FEWEST_RUNS} runs of a size or more.")
    shared = tuple(m for m in first.measures if all(_measured(rung.runs, m) for rung in rungs))
    if not shared:
        why = f"No measure has {_FEWEST_RUNS} values in every rung."
        raise LawError(what, why=why, remedy="Measure the same at all sizes.")
    return shared


def _measured(runs: Runs, measure: str) -> bool:
    if measure not in runs.measures:
        return False
    return int(np.isfinite(runs.column(measure)).sum()) >= _FEWEST_RUNS
