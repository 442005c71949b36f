"""The families of laws fitted to one measure: on all runs, and out of fold to be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedJointLaw, FittedLaw, JointLaw, Law, Prediction

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

_REACH = 0.5  # ranges of the values that a prediction may lie beyond them


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What one measure came to in N runs, as costs, and who is judged with whom.

    Attributes:
        features: of the N schedules.
        costs: [N] values, best when small.
        noise: [N] variances of the values.
        fold: [N] the fold of every row, from 0.
        seed: names the starts.
    """

    features: Features
    costs: Vector
    noise: Vector
    fold: Index
    seed: int

    @property
    def num_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def rows(self, index: NDArray[np.bool_]) -> Table:
        """Return some of the runs."""
        return replace(
            self,
            features=self.features.rows(index),
            costs=self.costs[index],
            noise=self.noise[index],
            fold=self.fold[index],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One family that fitted.

    Attributes:
        name: of the family.
        out_of_fold: predictions of the N rows by the family fitted without their folds.
        fitted: the family on all rows.
    """

    name: str
    out_of_fold: Prediction
    fitted: FittedLaw


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """The families that fitted, and why the others did not."""

    members: tuple[Member, ...]
    left_out: Mapping[str, str]


@runtime_checkable
class Choosy(Protocol):
    """A law that is meant for some tables only."""

    def applies(self, features: Features) -> bool:
        """Return whether the family has something to say of these schedules."""


def gather(laws: Mapping[str, Law], table: Table) -> Gathered:
    """Fit every family that applies; one that fails anywhere is left out, with the reason.

    Args:
        laws: families by name.
        table: the runs.
    """
    members: list[Member] = []
    left_out: dict[str, str] = {}
    for name, law in laws.items():
        if not applies(law, table.features):
            left_out[name] = "it does not apply to these runs"
            continue
        try:
            out = out_of_fold(law, table)
            members.append(Member(name=name, out_of_fold=out, fitted=_fit(law, table)))
        except (LawError, np.linalg.LinAlgError, FloatingPointError) as error:
            left_out[name] = str(error)
    return Gathered(members=tuple(members), left_out=left_out)


def applies(law: Law, features: Features) -> bool:
    """Return whether a family is meant for such schedules."""
    return law.applies(features) if isinstance(law, Choosy) else True


def out_of_fold(law: Law, table: Table) -> Prediction:
    """Predict every row by the family fitted to the other folds.

    Raises:
        LawError: a prediction is not finite.
    """
    parts = []
    for number in range(table.num_folds):
        judged = table.fold == number
        parts.append(_fit(law, table.rows(~judged)).predict(table.features.rows(judged)))
    return scattered(parts, table.fold)


def gather_jointly(law: JointLaw, tables: Sequence[Table], workers: int = 1) -> tuple[Member, ...]:
    """Fit a family that explains several measures of the same rows together.

    Args:
        law: the family.
        tables: P measures of the same schedules and folds.
        workers: processes that share the folds.

    Returns:
        One member per measure.

    Raises:
        LawError: the family does not fit, or a prediction is not finite.
    """
    fold = tables[0].fold
    numbers = range(tables[0].num_folds)
    run = Parallel(n_jobs=min(workers, len(numbers)))
    parts = list(run(delayed(_judged_jointly)(law, tables, fold == number) for number in numbers))
    whole = Shared(fitted=_fit_jointly(law, tables))
    return tuple(
        Member(
            name=law.name,
            out_of_fold=scattered([part[place] for part in parts], fold),
            fitted=Bounded(fitted=Part(whole=whole, place=place), bounds=_bounds(table)),
        )
        for place, table in enumerate(tables)
    )


def _judged_jointly(
    law: JointLaw, tables: Sequence[Table], judged: NDArray[np.bool_]
) -> tuple[Prediction, ...]:
    """Return the predictions of P measures for some rows by the family fitted to the others."""
    seen = [table.rows(~judged) for table in tables]
    predicted = _fit_jointly(law, seen).predict(tables[0].features.rows(judged))
    return tuple(_bounds(t).held(found) for t, found in zip(seen, predicted, strict=True))


def _fit_jointly(law: JointLaw, tables: Sequence[Table]) -> FittedJointLaw:
    costs = np.stack([table.costs for table in tables], axis=1)
    noise = np.stack([table.noise for table in tables], axis=1)
    return law.fit(tables[0].features, costs, noise, tables[0].seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Where predictions may lie, in units of the costs."""

    low: float
    high: float

    def held(self, found: Prediction) -> Prediction:
        """Return a prediction within the bounds, and with no more doubt than they allow.

        Raises:
            LawError: it is not finite.
        """
        if not (np.isfinite(found.mean).all() and np.isfinite(found.deviation).all()):
            message = "a prediction is not finite"
            raise LawError(message)
        return Prediction(
            mean=np.clip(found.mean, self.low, self.high),
            deviation=np.minimum(found.deviation, self.high - self.low),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounded:
    """A fitted law whose predictions are held within bounds."""

    fitted: FittedLaw
    bounds: Bounds

    def predict(self, features: Features) -> Prediction:
        """Return the held predictions."""
        return self.bounds.held(self.fitted.predict(features))


@dataclass(kw_only=True, slots=True)
class Shared:
    """A fitted joint law that remembers its last predictions, as each measure asks for the same."""

    fitted: FittedJointLaw
    asked: Features | None = None
    answer: tuple[Prediction, ...] = ()

    def predict(self, features: Features) -> tuple[Prediction, ...]:
        """Return one prediction per measure."""
        if self.asked is not features:
            self.answer = self.fitted.predict(features)
            self.asked = features
        return self.answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What a joint law says of one measure."""

    whole: Shared
    place: int

    def predict(self, features: Features) -> Prediction:
        """Return the prediction for every row."""
        return self.whole.predict(features)[self.place]


def _fit(law: Law, table: Table) -> FittedLaw:
    fitted = law.fit(table.features, table.costs, table.noise, table.seed)
    return Bounded(fitted=fitted, bounds=_bounds(table))


def _bounds(table: Table) -> Bounds:
    """Return half a range of the costs beyond them: exponentials run away where no run holds them.

    Runs at several sizes of model or budget are there to be extrapolated from: no bounds.
    """
    features = table.features
    if np.ptp(features.parameters) > 0 or np.ptp(features.total_tokens) > 0:
        return Bounds(low=-np.inf, high=np.inf)
    low, high = float(table.costs.min()), float(table.costs.max())
    return Bounds(low=low - _REACH * (high - low), high=high + _REACH * (high - low))


def scattered(parts: Sequence[Prediction], fold: Index) -> Prediction:
    """Return the predictions of folds in the order of the rows."""
    mean, deviation = np.empty(len(fold)), np.empty(len(fold))
    for number, part in enumerate(parts):
        mean[fold == number], deviation[fold == number] = part.mean, part.deviation
    return Prediction(mean=mean, deviation=deviation)
