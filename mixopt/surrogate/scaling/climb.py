"""One measure over sizes of model and budget: how it changes, and how far that can be foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.additive_scaling import AdditiveScaling
from mixopt.surrogate.laws.law import FittedLaw, Prediction, Vector
from mixopt.surrogate.runs import Runs

_DOUBT = (0.05, 1.0)  # least and most of a change that is in doubt
_UNTESTED = 0.5  # share of the pace of the last change that is in doubt where two rungs are all
_KEPT = (0.5, 0.35)  # prior mean and deviation of the share of a foreseen reordering that comes


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """Runs of one size.

    Attributes:
        parameters: of the model.
        tokens: of all lm stages.
        runs: what was measured.
    """

    parameters: float
    tokens: float
    runs: Runs

    @property
    def place(self) -> Vector:
        """Logarithms of parameters and tokens; [2]."""
        return np.log([self.parameters, self.tokens])

    @property
    def features(self) -> Features:
        """The schedules, with the rung's size."""
        return sized(self.runs.features, self.parameters, self.tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What the largest rung, foretold from those below it, teaches about foretelling.

    Attributes:
        level: deviation of the change that all schedules share, as a share of that change.
        kept: share of the foreseen differences between schedules' changes that comes true.
        drift: deviation of all else, per unit of distance in logarithms of sizes, in units of the
            measure.
    """

    level: float
    kept: float
    drift: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a rung's own runs say of one measure.

    Attributes:
        law: of the rung, which predicts costs.
        scatter: variance of a new run about the law's mean, in squared units.
        num_runs: that the rung had.
    """

    law: FittedLaw
    scatter: float
    num_runs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Climb:
    """One measure over the ladder.

    Attributes:
        sign: what turns values into costs.
        steps: one per rung, in the order of the ladder.
        scaling: the law of all rungs' runs over mixture and size; it predicts costs.
        trust: how far changes that the scaling law foresees come true.
    """

    sign: float
    steps: tuple[Step, ...]
    scaling: FittedLaw
    trust: Trust

    def change(
        self, features: Features, rung: Rung, parameters: float, tokens: float
    ) -> Prediction:
        """Return by how much costs change from a rung to a size, for every schedule."""
        centre = self._foreseen(rung.runs.features, rung, parameters, tokens).mean()
        shape = self._foreseen(features, rung, parameters, tokens) - centre
        distance = float(np.linalg.norm(np.log([parameters, tokens]) - rung.place))
        common = np.hypot(self.trust.level * centre, self.trust.drift * distance)
        return Prediction(
            mean=centre + self.trust.kept * shape,
            deviation=np.hypot(common, _KEPT[1] * shape),
        )

    def _foreseen(self, features: Features, rung: Rung, parameters: float, tokens: float) -> Vector:
        return foreseen(self.scaling, features, rung, (parameters, tokens))


def sized(features: Features, parameters: float, tokens: float) -> Features:
    """Return the schedules at a size."""
    count = features.num_rows
    return replace(
        features,
        parameters=np.full(count, float(parameters)),
        total_tokens=np.full(count, float(tokens)),
    )


def scaling_law(rungs: Sequence[Rung], columns: Sequence[Vector], seed: int) -> FittedLaw:
    """Return the scaling law of one measure over the runs of all rungs."""
    features = rungs[0].features
    for rung in rungs[1:]:
        features = features.joined(rung.features)
    values = np.concatenate(columns)
    known = np.isfinite(values)
    noise = np.zeros(int(known.sum()))
    return AdditiveScaling().fit(features.rows(known), values[known], noise, seed)


def trust_in(
    rungs: Sequence[Rung],
    columns: Sequence[Vector],
    steps: Sequence[Step],
    seed: int,
    *,
    tested: bool,
) -> Trust:
    """Return what a ladder without its largest rung gets right about that rung.

    Every further rung is taken to cut the relative miss of the level by the same factor, so that
    a miss of f seen with K - 1 rungs is f^((K - 1) / (K - 2)) with K. Two rungs leave nothing to
    test, and neither do lower rungs whose laws were carried down from the largest: at half the
    pace of the last change, in either direction, anything may come.

    Args:
        rungs: in ascending order of compute.
        columns: costs of every rung's runs.
        steps: of every rung.
        seed: names starts.
        tested: whether the law of the last rung but one knows nothing of the last.
    """
    last, below = rungs[-1], rungs[-2]
    gap = float(np.linalg.norm(last.place - below.place))
    known = np.isfinite(columns[-1])
    features = last.runs.features.rows(known)
    came = columns[-1][known] - steps[-2].law.predict(features).mean
    if len(rungs) == 2 or not tested:
        pace = float(np.sqrt(np.mean(came**2))) / gap
        return Trust(level=0.0, kept=_KEPT[0], drift=_UNTESTED * pace)
    scaling = scaling_law(rungs[:-1], columns[:-1], seed)
    told = foreseen(scaling, features, below, (last.parameters, last.tokens))
    missed = abs(float((came - told).mean())) / max(abs(float(came.mean())), 1e-12)
    kept = _kept(came - came.mean(), told - told.mean())
    return Trust(
        level=float(np.clip(missed ** ((len(rungs) - 1) / (len(rungs) - 2)), *_DOUBT)),
        kept=kept,
        drift=float((came - kept * told).std()) / gap,
    )


def _kept(came: Vector, told: Vector) -> float:
    """Return the share of the foreseen that comes true: a regression with a prior, in [0, 1]."""
    centre, spread = _KEPT
    variance = max(float(np.mean((came - centre * told) ** 2)), 1e-300)
    precision = told @ told / variance + spread**-2
    return float(np.clip((told @ came / variance + centre / spread**2) / precision, 0.0, 1.0))


def foreseen(
    scaling: FittedLaw, features: Features, rung: Rung, size: tuple[float, float]
) -> Vector:
    """Return the change in cost that a scaling law foresees from a rung to a size; [N]."""
    there = scaling.predict(sized(features, *size)).mean
    return there - scaling.predict(sized(features, rung.parameters, rung.tokens)).mean
