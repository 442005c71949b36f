"""Fitting every family of laws to one measure and choosing among them by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import FittedLaw, Law, Prediction, Vector
from mixopt.surrogate.laws.mean import Mean, combine
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.runs import Direction
from mixopt.surrogate.scores import LawScore, score

FEWEST_ROWS = 8
_FEWEST_FOLDS = 4
_MOST_FOLDS = 8
_TIE = 1.01  # errors within 1% of the least count as equal


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureLaw:
    """The law of one measure.

    Attributes:
        measure: its name.
        direction: which way is better.
        law: name of the family that was chosen.
        scores: of every family, out-of-fold, in the order of the table of laws.
        out_of_fold: [N] prediction of every run by the chosen family fitted without it.
        values: [N] measured.
        domains: the M domains of the features that it reads.
        fitted: the chosen family on all runs; it predicts costs, that is, values times `sign`.
    """

    measure: str
    direction: Direction
    law: str
    scores: tuple[LawScore, ...]
    out_of_fold: Vector
    values: Vector
    domains: tuple[str, ...]
    fitted: FittedLaw

    @property
    def sign(self) -> float:
        """What turns values into costs: 1 for a minimized measure, -1 for a maximized one."""
        return _sign(self.direction)

    def predict(self, features: Features) -> Prediction:
        """Return predictions in units of the measure.

        Raises:
            LawError: the features are about other domains.
        """
        if features.domains != self.domains:
            message = f"the law of '{self.measure}' reads other domains than it is given"
            why = f"It reads {', '.join(self.domains)}; given are {', '.join(features.domains)}."
            raise LawError(message, why=why, remedy="Describe schedules over the law's domains.")
        found = self.fitted.predict(features)
        return Prediction(mean=self.sign * found.mean, deviation=found.deviation)


def fit_measure(  # noqa: PLR0913 - what was measured, and which families may explain it
    measure: str,
    direction: Direction,
    features: Features,
    values: Vector,
    noise: Vector,
    *,
    seed: int,
    laws: Mapping[str, Law] = LAWS,
) -> MeasureLaw:
    """Fit every family, judge each on rows that it did not see, and refit the best on all rows.

    The least out-of-fold root mean square error wins; among families within 1% of it, the one
    that comes first in the table.

    Args:
        measure: its name.
        direction: which way is better.
        features: N schedules.
        values: [N] measured values.
        noise: [N] variance of each value over seeds, in squared units; 0 where it is not known.
        seed: names the folds and the starts.
        laws: families by name, the simplest first; a mean over members must follow them.

    Raises:
        LawError: too few rows, values that are not finite or all the same, or impossible noise.
    """
    _check(measure, features, values, noise)
    costs = _sign(direction) * np.asarray(values, float)
    out = out_of_fold(laws, features, costs, np.asarray(noise, float), seed)
    scores = tuple(score(name, predicted, costs) for name, predicted in out.items())
    least = min(found.root_mean_square_error for found in scores)
    chosen = next(s.law for s in scores if s.root_mean_square_error <= _TIE * least)
    return MeasureLaw(
        measure=measure,
        direction=direction,
        law=chosen,
        scores=scores,
        out_of_fold=_sign(direction) * out[chosen],
        values=np.asarray(values, float),
        domains=features.domains,
        fitted=laws[chosen].fit(features, costs, np.asarray(noise, float), seed),
    )


def out_of_fold(
    laws: Mapping[str, Law], features: Features, costs: Vector, noise: Vector, seed: int
) -> dict[str, Vector]:
    """Predict every row by laws that were fitted without it.

    Args:
        laws: families by name; a mean is combined from the members that come before it, so that
            nothing is fitted twice.
        features: N schedules.
        costs: [N] values, best when small.
        noise: [N] variances of the values.
        seed: names the folds and the starts.

    Returns:
        [N] predictions by name of the law.
    """
    fold = _folds(features, seed)
    out = {name: np.empty(len(costs)) for name in laws}
    for number in range(int(fold.max()) + 1):
        kept, judged = fold != number, fold == number
        found: dict[str, Prediction] = {}
        for name, law in laws.items():
            if isinstance(law, Mean) and all(member.name in found for member in law.laws):
                found[name] = combine([found[member.name] for member in law.laws])
            else:
                fitted = law.fit(features.rows(kept), costs[kept], noise[kept], seed)
                found[name] = fitted.predict(features.rows(judged))
            out[name][judged] = found[name].mean
    return out


def _folds(features: Features, seed: int) -> NDArray[np.int64]:
    """Return the fold of every row; runs that share all but the last stage share a fold.

    What such runs have in common was trained once, noise included: a law that saw one of them
    would be judged too kindly on the others.
    """
    group = _groups(features)
    count = int(group.max()) + 1
    if count < _FEWEST_FOLDS:
        group, count = np.arange(features.num_rows), features.num_rows
    folds = min(_MOST_FOLDS, max(_FEWEST_FOLDS, count // 3))
    return (seeds.generator(seed, "fit", "folds").permutation(count) % folds)[group]


def _groups(features: Features) -> NDArray[np.int64]:
    """Number the rows by what they do before the last stage; [N]."""
    if len(features.stages) < 2:
        return np.arange(features.num_rows)
    weights = features.weights[:, :-1].reshape(features.num_rows, -1)
    before = np.concatenate([features.tokens[:, :-1], weights], axis=1)
    return np.unique(before, axis=0, return_inverse=True)[1].reshape(-1)


def _sign(direction: Direction) -> float:
    return 1.0 if direction == "minimize" else -1.0


def _check(measure: str, features: Features, values: Vector, noise: Vector) -> None:
    what = f"no law can be fitted to '{measure}'"
    count = features.num_rows
    if not len(values) == len(noise) == count:
        message = f"{count} rows of features, {len(values)} values, {len(noise)} variances"
        raise ValueError(message)
    if count < FEWEST_ROWS:
        raise LawError(
            what,
            why=f"It was measured in {count} trials; a law needs at least {FEWEST_ROWS}, and "
            f"about {3 * (len(features.domains) + 1)} for {len(features.domains)} domains.",
            remedy="Run more trials.",
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        where = ", ".join(str(row) for row in bad[:5])
        why = f"{len(bad)} of {count} values are not finite, first at row {where}."
        raise LawError(what, why=why, remedy="Leave out trials that diverged.")
    if not np.all(np.isfinite(noise) & (np.asarray(noise) >= 0)):
        why = f"Variances must be finite and not negative; the least is {np.min(noise):g}."
        raise LawError(what, why=why, remedy="Give 0 where the noise is not known.")
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        why = f"All {count} values are {float(values[0]):g}: there is nothing to explain."
        raise LawError(what, why=why, remedy="Choose a measure that the schedule moves.")
