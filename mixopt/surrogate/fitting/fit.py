"""Fitting every family of laws to measures, and stacking them by how they predict unseen runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

import numpy as np
from joblib import Parallel, delayed

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.calibrate import Calibrated, Widened, reach_of
from mixopt.surrogate.fitting.combination import FittedCombination, correlation_of, weighted_sum
from mixopt.surrogate.fitting.folds import FEWEST_FOLDS, Index, folds, renumbered
from mixopt.surrogate.fitting.judge import judge
from mixopt.surrogate.fitting.measure_law import MeasureLaw, sign_of
from mixopt.surrogate.fitting.members import Gathered, Table, gather, gather_jointly
from mixopt.surrogate.fitting.stack import FittedStack, Record, cross_fitted, mean_log_errors
from mixopt.surrogate.laws.law import JointLaw, Law, Prediction, Vector
from mixopt.surrogate.laws.table import JOINT_LAWS, LAWS
from mixopt.surrogate.runs import Direction, Runs

__all__ = ["FEWEST_ROWS", "MeasureLaw", "combine_measures", "fit_measure", "fit_runs"]

FEWEST_ROWS: Final = 8
_SAMPLED = 8  # measures that every family is tried on where there are more than twice as many
_ROUNDING = 1e-12  # of numbers of size one
_TRACE = 0.1  # share in a stack that is worth fitting a family for
STACK: Final = "stack"
COMBINATION: Final = "combination"


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
    """Fit every family to one measure, judge each on rows that it did not see, and stack them.

    A family that fails on the runs is left out. The stack itself is judged with shares that were
    learned on the other folds (see `stack`), and its intervals come from the misses of that.

    Args:
        measure: its name.
        direction: which way is better.
        features: N schedules.
        values: [N] measured values.
        noise: [N] variance of each value over seeds, in squared units; 0 where it is not known.
        seed: names the folds and the starts.
        laws: families by name, the simplest first.

    Raises:
        LawError: too few rows, values that are not finite or all the same, impossible noise, or no
            family fits.
    """
    given, variances = np.asarray(values, float), np.asarray(noise, float)
    _check(measure, features, given, variances)
    runs = Runs(
        names=tuple(str(row) for row in range(features.num_rows)),
        features=features,
        measures=(measure,),
        directions=(direction,),
        values=given[:, None],
        noise=variances[:, None],
    )
    return fit_runs(runs, seed=seed, laws=laws, joint={})[measure]


def fit_runs(
    runs: Runs,
    *,
    seed: int,
    laws: Mapping[str, Law] = LAWS,
    joint: Mapping[str, JointLaw] = JOINT_LAWS,
    workers: int = 1,
) -> dict[str, MeasureLaw]:
    """Fit one law per measure, as `fit_measure`, with what the measures teach about each other.

    Joint laws explain the measures that all runs have together, and join each of their stacks.
    Shares in a stack lean on how the families did on the other measures, too. A measure that some
    runs lack is fitted on the runs that have it.

    Args:
        runs: N runs with P measures.
        seed: names the folds and the starts.
        laws: families for one measure, by name.
        joint: families for several measures, by name.
        workers: processes that share the measures; the laws do not depend on it.

    Returns:
        Laws by measure, in the order of the runs' measures.

    Raises:
        LawError: as `fit_measure`, for the first measure that no law can be fitted to.
    """
    having = [np.flatnonzero(~np.isnan(column)) for column in runs.values.T]
    tables = _tables(runs, having, seed)
    records = _records(laws, tables, workers)
    for law in joint.values():
        records = _with_joint(law, records, runs.num_rows, workers)
    for name, record in zip(runs.measures, records, strict=True):
        _refuse_empty(name, record)
    most = max(table.num_folds for table in tables)
    elsewhere = [mean_log_errors(records, number) for number in (*range(most), None)]
    return {
        name: _stacked(name, direction, record, elsewhere, rows)
        for name, direction, record, rows in zip(
            runs.measures, runs.directions, records, having, strict=True
        )
    }


def combine_measures(
    laws: Sequence[MeasureLaw],
    coefficients: Sequence[float],
    *,
    measure: str,
    direction: Direction,
) -> MeasureLaw:
    """Return the law of a weighted sum of measures, each predicted by its own law.

    Errors of the measures go together as their misses out of fold do; the sum is judged and
    calibrated on the runs that have all the measures.

    Args:
        laws: P laws fitted to runs of one table.
        coefficients: P numbers, in units of the sum per unit of each measure.
        measure: name of the sum.
        direction: which way is better.

    Raises:
        LawError: the laws read other domains, too few runs have all the measures, or the sum does
            not differ between runs.
    """
    common = _common_rows(laws, measure)
    places = [np.searchsorted(law.rows, common) for law in laws]
    values = np.stack([law.values[at] for law, at in zip(laws, places, strict=True)])
    known = [_known(law, at) for law, at in zip(laws, places, strict=True)]
    parts, sign = np.asarray(coefficients, float), sign_of(direction)
    signs = np.array([law.sign for law in laws])
    correlation = correlation_of(values - np.stack([found.mean for found in known]))
    found, total = weighted_sum(known, parts, correlation), parts @ values
    _refuse_constant(measure, total, float((np.abs(parts) @ np.abs(values)).max()))
    noise = parts * np.sqrt([law.calibration.noise if law.calibration else 0.0 for law in laws])
    variance = np.full(len(total), max(float(noise @ correlation @ noise), 0.0))
    fold = renumbered(laws[0].fold[places[0]])
    if fold.max() < FEWEST_FOLDS - 1:
        fold = np.arange(len(common)) % FEWEST_FOLDS
    costs = Prediction(mean=sign * found.mean, deviation=found.deviation)
    judged = judge(costs, sign * total, variance, fold)
    fitted = FittedCombination(
        members=tuple(law.fitted for law in laws),
        coefficients=sign * parts * signs,
        # The members predict costs, whose misses have the other sign where a measure is maximized.
        correlation=correlation * np.outer(signs, signs),
    )
    return MeasureLaw(
        measure=measure,
        direction=direction,
        law=COMBINATION,
        scores=(judged.score(COMBINATION),),
        out_of_fold=found.mean,
        values=total,
        domains=laws[0].domains,
        fitted=Calibrated(fitted=fitted, calibration=judged.calibration),
        calibration=judged.calibration,
        out_of_fold_deviation=judged.predicted.deviation,
        rows=common,
        fold=fold,
    )


def _known(law: MeasureLaw, rows: Index) -> Prediction:
    """Return what a law says out of fold of some of its runs."""
    return Prediction(mean=law.out_of_fold[rows], deviation=law.out_of_fold_deviation[rows])


def _common_rows(laws: Sequence[MeasureLaw], measure: str) -> Index:
    """Return the runs, in ascending order, that all laws were fitted to.

    Raises:
        LawError: the laws read other domains, or there are too few such runs.
    """
    what = f"the measures of '{measure}' cannot be summed"
    if any(law.domains != laws[0].domains for law in laws):
        raise LawError(what, why="Their laws read other domains.", remedy="Fit them together.")
    common = reduce(np.intersect1d, [law.rows for law in laws])
    if len(common) < FEWEST_ROWS:
        why = f"Only {len(common)} runs have all of them; {FEWEST_ROWS} are needed."
        raise LawError(what, why=why, remedy="Fit them to runs of one table that have them.")
    return common


def _tables(runs: Runs, having: Sequence[Index], seed: int) -> list[Table]:
    """Return the runs of every measure as costs, with common folds wherever enough of them are left."""
    for place, rows in enumerate(having):
        own = runs.values[rows, place], runs.noise[rows, place]
        _check(runs.measures[place], runs.features.rows(rows), *own)
    common = folds(runs.features, seed)
    tables = []
    for place, rows in enumerate(having):
        features = runs.features if len(rows) == runs.num_rows else runs.features.rows(rows)
        fold = renumbered(common[rows])
        tables.append(
            Table(
                features=features,
                costs=sign_of(runs.directions[place]) * runs.values[rows, place],
                noise=runs.noise[rows, place],
                fold=fold if fold.max() >= FEWEST_FOLDS - 1 else folds(features, seed),
                seed=seed,
            )
        )
    return tables


def _records(laws: Mapping[str, Law], tables: Sequence[Table], workers: int) -> list[Record]:
    """Fit the families to every measure; to many measures only those that a few have a use for.

    The parametric families cost most and are seldom the best on large tables. Each is tried on
    eight measures, evenly spaced, and on the others only where it had a share in a stack.
    """
    step = max(1, len(tables) // _SAMPLED)
    if len(tables) <= 2 * _SAMPLED:
        return _gathered(laws, tables, workers)
    sampled = list(range(0, step * _SAMPLED, step))
    first = _gathered(laws, [tables[place] for place in sampled], workers)
    wanted = _with_shares(first)
    reason = f"it had no share in the stacks of {len(sampled)} other measures"
    unwanted = {name: reason for name in laws if name not in wanted}
    others = [place for place in range(len(tables)) if place not in sampled]
    few = {name: law for name, law in laws.items() if name in wanted}
    rest = _gathered(few, [tables[place] for place in others], workers)
    left = [replace(record, left_out={**unwanted, **record.left_out}) for record in rest]
    found = dict(zip((*sampled, *others), (*first, *left), strict=True))
    return [found[place] for place in range(len(tables))]


def _gathered(laws: Mapping[str, Law], tables: Sequence[Table], workers: int) -> list[Record]:
    run = Parallel(n_jobs=min(workers, len(tables)))
    found: list[Gathered] = list(run(delayed(gather)(laws, table) for table in tables))
    return [
        Record(table=table, members=each.members, left_out=each.left_out)
        for table, each in zip(tables, found, strict=True)
    ]


def _with_shares(records: Sequence[Record]) -> set[str]:
    """Return the families that have more than a trace of a share in a stack."""
    having = [record for record in records if record.members]
    elsewhere = mean_log_errors(having)
    wanted = set()
    for record in having:
        shares = record.weights(np.ones(len(record.table.costs), bool), elsewhere)
        names = [member.name for member in record.members]
        wanted |= {name for name, share in zip(names, shares, strict=True) if share > _TRACE}
    return wanted


def _with_joint(
    law: JointLaw, records: Sequence[Record], num_rows: int, workers: int
) -> list[Record]:
    """Return the records with a joint law of the measures that all runs have, if it fits them."""
    places = [at for at, record in enumerate(records) if len(record.table.costs) == num_rows]
    if len(places) < 2:
        return list(records)
    changed = list(records)
    try:
        members = gather_jointly(law, [records[at].table for at in places], workers)
    except (LawError, np.linalg.LinAlgError) as error:
        for at in places:
            left_out = {**records[at].left_out, law.name: str(error)}
            changed[at] = replace(records[at], left_out=left_out)
        return changed
    for at, member in zip(places, members, strict=True):
        changed[at] = replace(records[at], members=(*records[at].members, member))
    return changed


def _refuse_empty(measure: str, record: Record) -> None:
    if not record.members:
        message = f"no law can be fitted to '{measure}'"
        why = "; ".join(f"{name}: {reason}" for name, reason in record.left_out.items())
        raise LawError(message, why=why, remedy="Run more trials, of other mixtures.")


def _stacked(
    measure: str,
    direction: Direction,
    record: Record,
    elsewhere: Sequence[Mapping[str, float]],
    rows: Index,
) -> MeasureLaw:
    """Stack and judge the families of one measure; the last of `elsewhere` is of all rows."""
    table, members, sign = record.table, record.members, sign_of(direction)
    everything = np.ones(len(table.costs), bool)
    weights = record.weights(everything, elsewhere[-1])
    judged = judge(cross_fitted(record, elsewhere), table.costs, table.noise, table.fold)
    each = [judge(m.out_of_fold, table.costs, table.noise, table.fold) for m in members]
    scores = [found.score(member.name) for found, member in zip(each, members, strict=True)]
    name = STACK if len(members) > 1 else members[0].name
    stack = FittedStack(members=tuple(member.fitted for member in members), weights=weights)
    spread = float(table.costs.std())
    wide = Widened(fitted=stack, reach=reach_of(table.features), spread=spread)
    return MeasureLaw(
        measure=measure,
        direction=direction,
        law=name,
        scores=tuple(scores) if len(members) == 1 else (*scores, judged.score(STACK)),
        out_of_fold=sign * judged.predicted.mean,
        values=sign * table.costs,
        domains=table.features.domains,
        fitted=Calibrated(fitted=wide, calibration=judged.calibration),
        weights={m.name: float(share) for m, share in zip(members, weights, strict=True)},
        families={member.name: member.fitted for member in members},
        left_out=record.left_out,
        calibration=judged.calibration,
        out_of_fold_deviation=judged.predicted.deviation,
        rows=rows,
        fold=table.fold,
    )


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
    _refuse_constant(measure, values, float(np.abs(values).max()))


def _refuse_constant(measure: str, values: Vector, size: float) -> None:
    """Raise unless values differ by more than the rounding of numbers of some size."""
    if np.ptp(values) <= _ROUNDING * size:
        message = f"no law can be fitted to '{measure}'"
        why = f"All {len(values)} values are {float(values[0]):g}: there is nothing to explain."
        raise LawError(message, why=why, remedy="Choose a measure that the schedule moves.")
