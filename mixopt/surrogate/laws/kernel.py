"""The covariance of the Gaussian process: linear and Matern blocks, a constant, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Pullback = Callable[[Matrix], Vector]

_ROOT_FIVE = np.sqrt(5.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The parameters of one block: `columns`, and where its logarithms begin (`at`)."""

    columns: slice
    amplitude: float
    linear: float
    lengths: Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """k(x, y) = 1 + sum_b [a_b^2 Matern52(|(x_b - y_b) / s_b|) + l_b^2 x_b.y_b] over blocks.

    Rasmussen and Williams 2006, equations 4.17 (Matern) and 5.9 (gradient of the evidence). The
    constant stands for the unknown mean of standardized values. Parameters are logarithms, in the
    order a_0, l_0, s_0 (one per column), a_1, l_1, s_1, ...

    Attributes:
        widths: columns of each block, in order; together all columns.
    """

    widths: tuple[int, ...]

    def covariance(self, parameters: Vector, left: Matrix, right: Matrix) -> Matrix:
        """Return covariances between rows of `left` [N, C] and rows of `right` [P, C]; [N, P]."""
        total = np.ones((len(left), len(right)))
        for block in self._blocks(parameters):
            ours, theirs = left[:, block.columns], right[:, block.columns]
            total += block.linear**2 * (ours @ theirs.T)
            squares = _squared_distances(ours / block.lengths, theirs / block.lengths)
            total += block.amplitude**2 * matern(squares)
        return total

    def diagonal(self, parameters: Vector, rows: Matrix) -> Vector:
        """Return the prior variance of every row; [N]."""
        total = np.ones(len(rows))
        for block in self._blocks(parameters):
            inner = rows[:, block.columns]
            total += block.amplitude**2 + block.linear**2 * np.einsum("nc,nc->n", inner, inner)
        return total

    def with_pullback(self, parameters: Vector, rows: Matrix) -> tuple[Matrix, Pullback]:
        """Return the covariance of rows [N, C] with itself, and its pullback.

        The pullback maps symmetric weights W [N, N] to sum_ij W_ij dK_ij / dparameters.
        """
        total = np.ones((len(rows), len(rows)))
        parts = []
        for block in self._blocks(parameters):
            inner = rows[:, block.columns]
            scaled = inner / block.lengths
            part, slope = _matern_with_slope(_squared_distances(scaled, scaled))
            total += block.amplitude**2 * part
            total += block.linear**2 * (inner @ inner.T)
            parts.append((block, inner, scaled, part, slope))

        def pull(weights: Matrix) -> Vector:
            found: list[float] = []
            for block, inner, scaled, part, slope in parts:
                power = block.amplitude**2
                found.append(2 * power * float(np.vdot(weights, part)))
                found.append(2 * block.linear**2 * float(np.vdot(weights @ inner, inner)))
                found.extend(-2 * power * _weighted_squares(weights * slope, scaled))
            return np.array(found)

        return total, pull

    def _blocks(self, parameters: Vector) -> Iterator[Block]:
        column, at = 0, 0
        for width in self.widths:
            found = np.exp(parameters[at : at + width + 2])
            yield Block(
                columns=slice(column, column + width),
                amplitude=float(found[0]),
                linear=float(found[1]),
                lengths=found[2:],
            )
            column, at = column + width, at + width + 2


def matern(squares: Matrix) -> Matrix:
    """Return the Matern-5/2 correlation of squared scaled distances; any shape."""
    return _matern_with_slope(squares)[0]


def _matern_with_slope(squares: Matrix) -> tuple[Matrix, Matrix]:
    """Return `matern` and its derivative by the squared distance, which is finite at 0."""
    root = _ROOT_FIVE * np.sqrt(squares)
    slope = np.exp(-root)
    slope *= 1 + root
    # (1 + r + r^2 / 3) exp(-r) = (1 + r) exp(-r) (1 + r^2 / (3 (1 + r))), and r^2 = 5 squares
    root += 1
    part = slope * (1 + 5 / 3 * squares / root)
    slope *= -5 / 6
    return part, slope


def _squared_distances(left: Matrix, right: Matrix) -> Matrix:
    """Return [N, P] squared distances, by products so that no [N, P, C] array is made."""
    found = left @ (-2 * right.T)
    found += np.einsum("nc,nc->n", left, left)[:, None]
    found += np.einsum("pc,pc->p", right, right)
    return np.maximum(found, 0.0, out=found)


def _weighted_squares(weights: Matrix, rows: Matrix) -> Vector:
    """Return sum_ij W_ij (x_ic - x_jc)^2 for every column c, for symmetric W; [C]."""
    outer = weights.sum(axis=1) @ rows**2
    inner = np.einsum("nc,nc->c", rows, weights @ rows)
    return np.asarray(2 * (outer - inner))
