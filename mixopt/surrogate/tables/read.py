"""Reading tables of runs: mixtures in one file, measures in the same or another, joined by a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import FEWEST_ROWS
from mixopt.surrogate.runs import Direction, Runs
from mixopt.surrogate.tables.joining import find_key, find_name, joined, label_of, one_sided, some
from mixopt.surrogate.tables.mixtures import (
    Mixtures,
    matches,
    read_mixtures,
    shortened,
    weight_columns,
)
from mixopt.surrogate.tables.replicates import merged
from mixopt.surrogate.tables.sheets import Faults, Sheet, read_sheet

Matrix = NDArray[np.float64]

_REMEDY: Final = (
    "Mend the files. Name columns of weights with --domain and of measures with --measure where "
    "they are not found, the domain without a column with --rest, the key with --key."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How to read a table, where its files do not tell.

    Attributes:
        key: the column that both files are joined by; else `run`, `index`, `name` or another
            that both have and that names every row.
        domains: names or patterns with `*` of the columns of weights; else all numbers.
        measures: names or patterns of the measures; else all numbers of the second file.
        maximize: names or patterns of measures that are best when large.
        rest: the domain that takes what the weights of a row lack.
        phases: shares of the tokens of every stage; else equal.
    """

    key: str | None = None
    domains: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    rest: str | None = None
    phases: tuple[float, ...] = ()


DEFAULT_LAYOUT: Final = Layout()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunTable:
    """Runs as they were read.

    Attributes:
        runs: the runs, with the domains that any of them used.
        columns: what the file calls each of the domains.
        unused: domains that every run gives no weight, which no law can know of.
        notes: what was left out or changed, in words.
    """

    runs: Runs
    columns: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    def domain(self, name: str) -> str:
        """Return the domain of that name, which may be its column's.

        Raises:
            NotFoundError: there is none; names the nearest.
        """
        domains = self.runs.features.domains
        return find_name(name, domains, self.columns, "domain")

    def measure(self, name: str) -> str:
        """Return the measure of that name.

        Raises:
            NotFoundError: there is none; names the nearest.
        """
        return find_name(name, self.runs.measures, self.runs.measures, "measure")


def read_runs(
    ratios: Path, metrics: Path | None = None, layout: Layout = DEFAULT_LAYOUT
) -> RunTable:
    """Read runs from one file, or from one of mixtures and one of measures.

    Runs of the same mixture are replicates: they become one run with their mean, whose noise
    comes from their spread. Rows of one file only are left out and counted.

    Args:
        ratios: weights, one row per run.
        metrics: measures, one row per run; None where they stand beside the weights.
        layout: what the files do not tell.

    Raises:
        NotFoundError: a file, a key or a measure that was named does not exist.
        LawError: lists every fault of both files.
    """
    left = read_sheet(ratios)
    right = left if metrics is None else read_sheet(metrics)
    faults = Faults()
    key = find_key(left, right, layout.key) if right is not left else label_of(left)
    columns, short = _measure_columns(left, right, key, layout)
    weights = weight_columns(left, layout.domains, columns if right is left else ())
    if right is not left and key is not None:
        weights = [name for name in weights if name != key]
    if len(weights) < (1 if layout.rest else 2):
        faults.add(
            f"{left.path.name}: found {len(weights)} columns of weights, expected two or more"
        )
        faults.refuse("cannot read the runs", _REMEDY)
    mixtures = read_mixtures(left, weights, layout.rest, key, faults)
    values = _values(right, columns, key, faults)
    rows, others = joined(left, right, key, faults)
    faults.refuse("cannot read the runs", _REMEDY)
    notes = [*mixtures.notes, *one_sided(left, right, key, rows, others)]
    names = left.texts(key) if key else [str(row + 1) for row in range(left.num_rows)]
    runs = Runs(
        names=tuple(names[row] for row in rows),
        features=_features(mixtures, layout.phases, rows),
        measures=short,
        directions=_directions(short, columns, layout.maximize),
        values=values[others],
        noise=np.zeros((len(rows), len(columns))),
    )
    runs, more = merged(_with_measures(runs))
    return _table(runs, mixtures, [*notes, *more], asked=bool(layout.measures))


def _measure_columns(
    left: Sheet, right: Sheet, key: str | None, layout: Layout
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of measures, and their short names.

    Raises:
        NotFoundError: one that was named is missing.
        LawError: none was named where one file has all, or there is none.
    """
    numbers = [n for n in right.columns if n != key and not right.is_label(n)]
    if right is left and not layout.measures:
        message = f"{left.path.name} is the only file, and no measure is named"
        remedy = "Name the columns of measures with --measure, or a second file with --metrics."
        raise LawError(message, why=f"It has {some(left.columns)}.", remedy=remedy)
    if not numbers:
        message = f"{right.path.name} has no column of numbers"
        raise LawError(message, why=f"It has {some(right.columns)}.", remedy=_REMEDY)
    short = dict(zip(numbers, numbers if right is left else shortened(numbers), strict=True))
    for pattern in layout.measures:
        if not any(matches(name, [pattern]) for pair in short.items() for name in pair):
            find_name(pattern, list(short.values()), numbers, "measure")
    wanted = layout.measures or ("*",)
    chosen = {n: s for n, s in short.items() if matches(n, wanted) or matches(s, wanted)}
    return tuple(chosen), tuple(chosen.values())


def _values(sheet: Sheet, columns: Sequence[str], key: str | None, faults: Faults) -> Matrix:
    for column in columns:
        texts = sheet.texts(column)
        strange = [
            f"{sheet.where(row, key)}: '{column}' is no number: '{texts[row]}'"
            for row in sheet.strange(column)
        ]
        faults.add_all(strange, sheet.path.name)
    return np.stack([sheet.numbers(column) for column in columns], axis=1)


def _directions(
    short: tuple[str, ...], columns: Sequence[str], maximize: tuple[str, ...]
) -> tuple[Direction, ...]:
    for pattern in maximize:
        if not any(matches(name, [pattern]) for name in (*short, *columns)):
            find_name(pattern, short, columns, "measure")
    return tuple(
        "maximize" if matches(name, maximize) or matches(column, maximize) else "minimize"
        for name, column in zip(short, columns, strict=True)
    )


def _features(mixtures: Mixtures, phases: tuple[float, ...], rows: list[int]) -> Features:
    count = len(mixtures.stages)
    shares = np.array(phases or [1.0] * count, float)
    if len(shares) != count or shares.min() <= 0:
        message = f"the table has {count} stages: {', '.join(mixtures.stages)}"
        why = f"Given are {len(phases)} shares of tokens: {', '.join(f'{p:g}' for p in phases)}."
        raise LawError(message, why=why, remedy="Give --phases one positive share per stage.")
    return Features(
        domains=mixtures.domains,
        stages=mixtures.stages,
        weights=mixtures.weights[rows],
        tokens=np.tile(shares / shares.sum(), (len(rows), 1)),
    )


def _with_measures(runs: Runs) -> Runs:
    """Return the runs that have any measure."""
    return runs.rows(np.flatnonzero(np.isfinite(runs.values).any(axis=1)))


def _table(runs: Runs, mixtures: Mixtures, notes: list[str], *, asked: bool) -> RunTable:
    """Leave out domains that no run used and measures that nothing can be learned from."""
    used = runs.features.weights.max(axis=(0, 1), initial=0.0) > 0
    runs = _over_domains(runs, used)
    unused = tuple(n for n, there in zip(mixtures.domains, used, strict=True) if not there)
    if unused:
        notes.append(f"no run used {some(unused)}: the laws cannot know of them")
    values = {name: runs.column(name)[np.isfinite(runs.column(name))] for name in runs.measures}
    most = max(len(found) for found in values.values())
    few = [name for name, found in values.items() if len(found) < FEWEST_ROWS <= most]
    dull = [name for name, found in values.items() if len(np.unique(found)) < 2]
    if dull and (asked or len(dull) == len(values)):
        message = f"nothing can be learned from {some(dull)}"
        why = "All of its values are the same."
        raise LawError(message, why=why, remedy="Name other measures.")
    for names, why in ((dull, "all values are the same"), (few, "too few runs have it")):
        if names and not asked:
            notes.append(f"left out {some(names)}: {why}")
            runs = runs.only([name for name in runs.measures if name not in names])
    missing = int(np.isnan(runs.values).sum())
    if missing:
        notes.append(f"{missing} of {runs.values.size} measured values are missing")
    columns = tuple(n for n, there in zip(mixtures.columns, used, strict=True) if there)
    return RunTable(runs=runs, columns=columns, unused=unused, notes=tuple(notes))


def _over_domains(runs: Runs, used: NDArray[np.bool_]) -> Runs:
    features = runs.features
    kept = Features(
        domains=tuple(n for n, there in zip(features.domains, used, strict=True) if there),
        stages=features.stages,
        weights=features.weights[:, :, used],
        tokens=features.tokens,
    )
    return Runs(
        names=runs.names,
        features=kept,
        measures=runs.measures,
        directions=runs.directions,
        values=runs.values,
        noise=runs.noise,
    )
