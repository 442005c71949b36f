"""Which runs are left out together when laws are judged on runs that they did not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.surrogate.features import Features

Index = NDArray[np.int64]

FEWEST_FOLDS = 4
_MOST_FOLDS = 8
_FEWER_FOLDS = 5  # from so many rows on that a fold more or less hardly changes a law
_MANY_ROWS = 128


def folds(features: Features, seed: int) -> Index:
    """Return the fold of every row, from 0; [N].

    Runs that share all but the last stage share a fold: what they have in common was trained
    once, noise included, so a law that saw one of them would be judged too kindly on the others.
    For the same reason runs of the same mixture share a fold, and only where there are fewer
    than four of them runs that are alike in everything.

    Raises:
        LawError: fewer than four runs differ.
    """
    count = 0
    for group in (_by_beginning(features), _by_schedule(features)):
        count = int(group.max()) + 1
        if count >= FEWEST_FOLDS:
            most = _FEWER_FOLDS if count > _MANY_ROWS else _MOST_FOLDS
            number = min(most, max(FEWEST_FOLDS, count // 3))
            return (seeds.generator(seed, "fit", "folds").permutation(count) % number)[group]
    message = "no law can be judged on these runs"
    raise LawError(
        message,
        why=f"Of {features.num_rows} runs only {count} differ; a law needs {FEWEST_FOLDS} and more.",
        remedy="Run trials of other mixtures.",
    )


def renumbered(fold: Index) -> Index:
    """Return folds numbered from 0 without gaps; [N]."""
    return np.unique(fold, return_inverse=True)[1].reshape(-1)


def _by_beginning(features: Features) -> Index:
    """Number the rows by what they do before the last stage, or by their mixture; [N]."""
    last = len(features.stages) - 1 or 1
    weights = features.weights[:, :last].reshape(features.num_rows, -1)
    return _numbered(np.hstack([features.tokens[:, :last], weights]))


def _by_schedule(features: Features) -> Index:
    """Number the rows by all that a law sees of them; [N]."""
    weights = features.weights.reshape(features.num_rows, -1)
    scale = np.column_stack([features.parameters, features.total_tokens])
    return _numbered(np.hstack([features.tokens, weights, features.numbers, scale]))


def _numbered(rows: NDArray[np.float64]) -> Index:
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
