"""Runs of the same mixture as replicates: one run with their mean, and noise from their spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.runs import Runs

Matrix = NDArray[np.float64]

_DIGITS = 9  # to which equal mixtures agree


def merged(runs: Runs) -> tuple[Runs, tuple[str, ...]]:
    """Return one run per mixture, and notes on what was merged.

    Rows that agree in every measure, too, are copies: they count once, as their spread would tell
    of no noise. The variance of one run is pooled over all mixtures that have replicates; that of
    a mean over n of them is an n-th of it. Without replicates the noise stays as it is.

    Args:
        runs: N runs; values that are missing are left out of means.
    """
    kept, copies = _without_copies(runs)
    group = _groups(kept)
    count = int(group.max()) + 1
    notes = [_note_of_copies(copies, len(kept.names))] if copies else []
    if count == kept.num_rows:
        return kept, tuple(notes)
    there = np.isfinite(kept.values)
    num = _summed(there.astype(float), group, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _summed(np.where(there, kept.values, 0.0), group, count) / num
        squares = _summed(np.where(there, (kept.values - mean[group]) ** 2, 0.0), group, count)
        freedom = np.clip(num - 1, 0, None).sum(axis=0)
        noise = squares.sum(axis=0) / np.maximum(freedom, 1) / np.maximum(num, 1)
    first = np.unique(group, return_index=True)[1]
    chosen = kept.rows(first)
    notes.append(f"{kept.num_rows} runs are of {count} mixtures: the others are replicates")
    found = Runs(
        names=chosen.names,
        features=chosen.features,
        measures=chosen.measures,
        directions=chosen.directions,
        values=mean,
        noise=noise,
    )
    return found, tuple(notes)


def _without_copies(runs: Runs) -> tuple[Runs, list[tuple[str, str]]]:
    seen: dict[bytes, int] = {}
    kept, copies = [], []
    for row, point in enumerate(_points(runs)):
        mark = point.tobytes() + runs.values[row].tobytes()
        if mark in seen:
            copies.append((runs.names[seen[mark]], runs.names[row]))
        else:
            seen[mark] = row
            kept.append(row)
    return runs.rows(np.array(kept, int)), copies


def _groups(runs: Runs) -> NDArray[np.int64]:
    """Number the mixtures in the order in which they first occur; [N]."""
    number: dict[bytes, int] = {}
    marks = [point.tobytes() for point in _points(runs)]
    return np.array([number.setdefault(mark, len(number)) for mark in marks])


def _points(runs: Runs) -> Matrix:
    """Return what tells mixtures apart; adding 0 makes both zeros one; [N, S M]."""
    weights = runs.features.weights.reshape(runs.num_rows, -1)
    return np.asarray(np.round(weights, _DIGITS) + 0.0)


def _summed(values: Matrix, group: NDArray[np.int64], count: int) -> Matrix:
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, group, values)
    return total


def _note_of_copies(copies: list[tuple[str, str]], kept: int) -> str:
    first, second = copies[0]
    return (
        f"counted once: {len(copies)} rows that repeat another in mixture and measures, such as "
        f"'{second}' and '{first}'; {kept} remain"
    )
