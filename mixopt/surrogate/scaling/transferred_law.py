"""Laws of measures carried to a few new runs, judged and calibrated like any other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.calibrate import Calibrated
from mixopt.surrogate.fitting.folds import Index
from mixopt.surrogate.fitting.judge import judge
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.law import Vector
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.scaling.transfer import FittedTransfer, Transferred, transfer

FEWEST_RUNS = 3  # a slope, an intercept and what is left
CARRIED = "transferred"


def fit_transfer(
    source: MeasureLaw, features: Features, values: Vector, noise: Vector
) -> MeasureLaw:
    """Carry the law of one measure to new runs, of another size or another study.

    It is judged on predictions of every new run from the others, which are exact.

    Args:
        source: the law of the earlier runs.
        features: N new schedules, over the domains of the source.
        values: [N] measured values.
        noise: [N] variances of the values; 0 where it is not known.

    Raises:
        LawError: there are fewer than three runs, or they are over other domains.
    """
    rows = np.flatnonzero(np.isfinite(values))
    _check(source, features, len(rows))
    known, costs = features.rows(rows), source.sign * np.asarray(values, float)[rows]
    variances = np.asarray(noise, float)[rows]
    found = Transferred(source=source.fitted).fit(known, costs, variances, 0)
    return _measure_law(source, found, costs, variances, rows)


def fit_transfers(
    sources: Mapping[str, MeasureLaw], runs: Runs, *, pooled: bool = True
) -> dict[str, MeasureLaw]:
    """Carry the laws of all measures that runs have in common with them; slopes inform one another.

    Args:
        sources: laws of the earlier runs by measure.
        runs: N new runs.
        pooled: whether slopes of measures are expected to be alike; ask for measures of one kind.

    Raises:
        LawError: no measure is shared, or as `fit_transfer`.
    """
    shared = [name for name in runs.measures if name in sources]
    if not shared:
        message = "no law can be carried to the new runs"
        why = f"Laws: {', '.join(sources)}; measured: {', '.join(runs.measures)}."
        raise LawError(message, why=why, remedy="Measure the same in both.")
    laws, runs = [sources[name] for name in shared], runs.only(shared)
    for law, column in zip(laws, runs.values.T, strict=True):
        _check(law, runs.features, int(np.isfinite(column).sum()))
    costs = runs.values * np.array([law.sign for law in laws])
    fitted = [law.fitted for law in laws]
    found = transfer(fitted, runs.features, costs, runs.noise, pooled=pooled)
    carried = {}
    for place, (law, each) in enumerate(zip(laws, found, strict=True)):
        rows = np.flatnonzero(np.isfinite(costs[:, place]))
        noise = runs.noise[rows, place]
        carried[law.measure] = _measure_law(law, each, costs[rows, place], noise, rows)
    return carried


def _measure_law(
    source: MeasureLaw,
    found: FittedTransfer,
    costs: Vector,
    noise: Vector,
    rows: Index,
) -> MeasureLaw:
    fold = np.arange(len(costs))
    judged = judge(found.alone, costs, noise, fold)
    return MeasureLaw(
        measure=source.measure,
        direction=source.direction,
        law=CARRIED,
        scores=(judged.score(CARRIED),),
        out_of_fold=source.sign * judged.predicted.mean,
        values=source.sign * costs,
        domains=source.domains,
        fitted=Calibrated(fitted=found, calibration=judged.calibration),
        calibration=judged.calibration,
        out_of_fold_deviation=judged.predicted.deviation,
        rows=rows,
        fold=fold,
    )


def _check(source: MeasureLaw, features: Features, count: int) -> None:
    what = f"the law of '{source.measure}' cannot be carried to the new runs"
    if features.domains != source.domains:
        why = f"It reads {', '.join(source.domains)}; given are {', '.join(features.domains)}."
        raise LawError(what, why=why, remedy="Describe the runs over the law's domains.")
    if count < FEWEST_RUNS:
        why = f"{count} runs measured it; {FEWEST_RUNS} are needed."
        raise LawError(what, why=why, remedy="Train more runs.")
