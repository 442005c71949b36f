"""How a mixture moves inside a stage: constant, linear, cosine or piecewise between knots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixopt.schedule.mixture import Mixture, mixture_of

Shape = Literal["constant", "linear", "cosine", "piecewise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Knot:
    """The mixture that holds at one point of a stage; `at` is the share of its tokens done."""

    at: float
    mixture: Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureCurve:
    """Mixtures over the course of a stage: knots in ascending order, from 0 to 1.

    `constant` holds one mixture; `linear` and `cosine` go from the first knot to the last;
    `piecewise` is linear from knot to knot.
    """

    shape: Shape
    knots: tuple[Knot, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain that any knot names, in order of first mention."""
        return tuple(dict.fromkeys(name for knot in self.knots for name in knot.mixture.domains))

    def weights_at(self, progress: ArrayLike, domains: tuple[str, ...]) -> NDArray[np.float64]:
        """Return the weights at points of the stage.

        Args:
            progress: [N] shares of the stage's tokens done, in [0, 1].
            domains: the M domains, in the order of the columns.

        Returns:
            [N, M] weights; rows sum to 1 when `domains` covers the curve.
        """
        where = np.atleast_1d(np.asarray(progress, float))
        if self.shape == "cosine":
            where = (1 - np.cos(np.pi * where)) / 2
        at = np.array([knot.at for knot in self.knots])
        table = np.stack([knot.mixture.on(domains) for knot in self.knots])
        columns = [np.interp(where, at, column) for column in table.T]
        return np.array(columns, float).reshape(len(domains), len(where)).T

    def mean(self) -> Mixture:
        """Return the mixture of all tokens of the stage (the integral of the curve)."""
        if len(self.knots) == 1:
            return self.knots[0].mixture
        at = np.array([knot.at for knot in self.knots])
        table = np.stack([knot.mixture.on(self.domains) for knot in self.knots])
        if self.shape == "cosine":
            dose = (table[0] + table[-1]) / 2
        else:
            padded = np.concatenate([[0.0], at, [1.0]])
            rows = np.concatenate([table[:1], table, table[-1:]])
            dose = np.trapezoid(rows, padded, axis=0)
        return mixture_of(dict(zip(self.domains, dose.tolist(), strict=True)))


def constant(mixture: Mixture) -> MixtureCurve:
    """Return the curve that holds one mixture."""
    return MixtureCurve(shape="constant", knots=(Knot(at=0.0, mixture=mixture),))
