"""A table of runs: what was trained, and what every measure came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.features import Features, Index

Direction = Literal["minimize", "maximize"]
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """N runs with P measures.

    Attributes:
        names: N names of runs.
        features: of the N schedules.
        measures: P names.
        directions: P of them, which way is better.
        values: [N, P] means over seeds; not a number where a run lacks a measure.
        noise: [N, P] variances of these means over seeds; 0 where they are not known.
    """

    names: tuple[str, ...]
    features: Features
    measures: tuple[str, ...]
    directions: tuple[Direction, ...]
    values: Matrix
    noise: Matrix

    def __post_init__(self) -> None:
        """Check the shapes."""
        shape = (self.features.num_rows, len(self.measures))
        lengths = (len(self.names), len(self.directions))
        if self.values.shape != shape or self.noise.shape != shape or lengths != shape:
            message = f"values {self.values.shape}, noise {self.noise.shape} for {shape}"
            raise ValueError(message)

    @property
    def num_rows(self) -> int:
        """How many runs there are (N)."""
        return len(self.names)

    def rows(self, index: Index) -> Runs:
        """Return some of the runs, in the order of the index."""
        chosen = np.arange(self.num_rows)[index]
        return Runs(
            names=tuple(self.names[row] for row in chosen),
            features=self.features.rows(index),
            measures=self.measures,
            directions=self.directions,
            values=self.values[index],
            noise=self.noise[index],
        )

    def only(self, measures: Sequence[str]) -> Runs:
        """Return the runs with some of the measures, in the given order."""
        columns = [self.measures.index(name) for name in measures]
        return Runs(
            names=self.names,
            features=self.features,
            measures=tuple(measures),
            directions=tuple(self.directions[column] for column in columns),
            values=self.values[:, columns],
            noise=self.noise[:, columns],
        )

    def column(self, measure: str) -> Vector:
        """Return the values of one measure; [N]."""
        return np.asarray(self.values[:, self.measures.index(measure)])
