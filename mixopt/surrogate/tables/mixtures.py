"""Columns of weights: which columns of a sheet are domains, in which stages, and the shares they give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.tables.sheets import Faults, Sheet

Matrix = NDArray[np.float64]

ONE_STAGE: Final = "pretrain"
SUM_TOLERANCE: Final = 0.01  # of what a row of weights may sum to, beside one

_STAGED: Final = re.compile(r"((?:phase|stage)[_-]?(\d+))[_:/.-](.+)", re.IGNORECASE)
_SEPARATORS: Final = "_/:.- "
_PERCENT_FROM = 10.0  # rows that sum to more than this are in percent


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixtures:
    """The mixtures of N rows.

    Attributes:
        domains: M short names: what the columns have in common is left out.
        columns: M names as the file has them, without the stage.
        stages: S names.
        weights: [N, S, M] shares; rows sum to 1.
        notes: what was done to them, in words.
    """

    domains: tuple[str, ...]
    columns: tuple[str, ...]
    stages: tuple[str, ...]
    weights: Matrix
    notes: tuple[str, ...]


def read_mixtures(
    sheet: Sheet, chosen: Sequence[str], rest: str | None, label: str | None, faults: Faults
) -> Mixtures:
    """Return the mixtures of a sheet; rows whose weights are faulty are noted.

    Weights are shares or percents of tokens, by what most rows sum to. A row may be off by one
    percent, as published weights are rounded, and is scaled to sum to 1.

    Args:
        sheet: with one row per mixture.
        chosen: names of the columns of weights; `phase_0_code`, `phase_1_code` are one domain in
            two stages.
        rest: the domain that takes what a row lacks, for tables without the last column.
        label: the column that names rows in faults.
        faults: where faults are noted.
    """
    places = [_place(column) for column in chosen]
    stages = tuple(sorted({stage for stage, _ in places}, key=_order))
    columns = tuple(dict.fromkeys(domain for _, domain in places))
    weights = np.zeros((sheet.num_rows, len(stages), len(columns)))
    sound = np.ones(sheet.num_rows, bool)
    for column, (stage, domain) in zip(chosen, places, strict=True):
        values = sheet.numbers(column)
        faults.add_all(_bad_weights(sheet, column, values, label), sheet.path.name)
        sound &= ~(np.isnan(values) | (values < 0))
        weights[:, stages.index(stage), columns.index(domain)] = np.nan_to_num(values)
    domains = shortened(columns)
    if rest is not None:
        if rest in (*columns, *domains):
            faults.add(f"{sheet.path.name}: '{rest}' is to take the rest and has a column, too")
        weights, columns, domains = _with_rest(weights), (*columns, rest), (*domains, rest)
    sums = weights.sum(axis=2)
    scale = 100.0 if np.median(sums) > _PERCENT_FROM else 1.0
    off = (np.abs(sums / scale - 1) > SUM_TOLERANCE) & sound[:, None]
    faults.add_all(_bad_sums(sheet, stages, sums, off, label), sheet.path.name)
    return Mixtures(
        domains=domains,
        columns=columns,
        stages=stages,
        weights=weights / np.where(sums > 0, sums, 1.0)[:, :, None],
        notes=_notes(sheet, sums, scale),
    )


def weight_columns(sheet: Sheet, patterns: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the columns of weights: those that match, or all numbers that are nothing else.

    Where there are columns of several stages, they are the weights.

    Args:
        sheet: the table.
        patterns: names or patterns with `*` of columns; none to find them.
        others: columns that are not weights, such as measures.
    """
    if patterns:
        return [name for name in sheet.columns if matches(name, patterns)]
    numbers = [n for n in sheet.columns if n not in others and not sheet.is_label(n)]
    staged = [name for name in numbers if _STAGED.fullmatch(name)]
    several = len({_place(name)[0] for name in staged}) > 1
    return staged if several else numbers


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is one of the patterns, or fits one with a `*`."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def shortened(names: Sequence[str]) -> tuple[str, ...]:
    """Return names without the beginning and the end that all share, up to a separator."""
    if len(names) < 2:
        return tuple(names)
    shared = _common_beginning(names)
    start = max((shared.rfind(mark) for mark in _SEPARATORS), default=-1) + 1
    rest = [name[start:] for name in names]
    ending = _common_beginning([name[::-1] for name in rest])
    end = max((ending.rfind(mark) for mark in _SEPARATORS), default=-1) + 1
    short = tuple(name[: len(name) - end] for name in rest)
    return short if all(short) else tuple(names)


def _common_beginning(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    pairs = zip(first, last, strict=False)
    return first[: next((n for n, (a, b) in enumerate(pairs) if a != b), len(first))]


def _place(column: str) -> tuple[str, str]:
    """Return stage and domain of a column."""
    found = _STAGED.fullmatch(column)
    return (found[1], found[3]) if found else (ONE_STAGE, column)


def _order(stage: str) -> tuple[int, str]:
    found = re.search(r"\d+$", stage)
    return (int(found[0]) if found else -1, stage)


def _with_rest(weights: Matrix) -> Matrix:
    sums = weights.sum(axis=2, keepdims=True)
    total = 100.0 if sums.max() > 1 + SUM_TOLERANCE else 1.0
    return np.concatenate([weights, np.clip(total - sums, 0.0, None)], axis=2)


def _bad_weights(sheet: Sheet, column: str, values: Matrix, label: str | None) -> list[str]:
    strange = set(sheet.strange(column))
    found = []
    for row in np.flatnonzero(np.isnan(values) | (values < 0)).tolist():
        what = "is missing; write 0 for none"
        if row in strange:
            what = f"is no number: '{sheet.texts(column)[row]}'"
        elif values[row] < 0:
            what = f"is negative: {values[row]:g}"
        found.append(f"{sheet.where(row, label)}: the weight of '{column}' {what}")
    return found


def _bad_sums(
    sheet: Sheet, stages: tuple[str, ...], sums: Matrix, off: NDArray[np.bool_], label: str | None
) -> list[str]:
    if off.all(axis=None) and len(off) > 1:
        ends = f"{sums.min():.4g} to {sums.max():.4g}"
        return [f"{sheet.path.name}: no row of weights sums to 1 or to 100; they sum to {ends}"]
    bad = np.argwhere(off).tolist()
    several = len(stages) > 1
    return [
        f"{sheet.where(row, label)}: the weights {f'of {stages[stage]} ' if several else ''}"
        f"sum to {sums[row, stage]:.4g}"
        for row, stage in bad
    ]


def _notes(sheet: Sheet, sums: Matrix, scale: float) -> tuple[str, ...]:
    found = [f"{sheet.path.name}: weights are percents"] if scale > 1 else []
    if np.abs(sums / scale - 1).max() > 1e-6:
        ends = f"{sums.min() / scale:.4g} to {sums.max() / scale:.4g}"
        found.append(f"{sheet.path.name}: rows sum to {ends}; they are scaled to sum to 1")
    return tuple(found)
