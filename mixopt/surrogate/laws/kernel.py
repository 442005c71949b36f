"""The covariance of the Gaussian process: Matern blocks, a linear part, a constant, and gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Pullback = Callable[[Matrix], Vector]

_ROOT_FIVE = np.sqrt(5.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """k(x, y) = 1 + l^2 x_0.y_0 + sum_b a_b^2 Matern52(|(x_b - y_b) / s_b|) over blocks of columns.

    Rasmussen and Williams 2006, equations 4.17 (Matern) and 5.9 (gradient of the evidence). The
    constant stands for the unknown mean of standardized values. Parameters are logarithms, in the
    order a_0, s_0 (one per column), a_1, s_1, ..., l; block 0 also carries the linear part.

    Attributes:
        widths: columns of each block, in order; together all columns.
    """

    widths: tuple[int, ...]

    @property
    def num_parameters(self) -> int:
        """How many logarithms the kernel has."""
        return sum(width + 1 for width in self.widths) + 1

    def covariance(self, parameters: Vector, left: Matrix, right: Matrix) -> Matrix:
        """Return covariances between rows of `left` [N, C] and rows of `right` [P, C]; [N, P]."""
        total: Matrix = 1 + self._linear(parameters, left, right)
        for columns, amplitude, lengths in self._blocks(parameters):
            squares = _squared_distances(left[:, columns] / lengths, right[:, columns] / lengths)
            total += amplitude**2 * matern(squares)
        return total

    def diagonal(self, parameters: Vector, rows: Matrix) -> Vector:
        """Return the prior variance of every row; [N]."""
        inner = rows[:, : self.widths[0]]
        constant = 1 + sum(amplitude**2 for _, amplitude, _ in self._blocks(parameters))
        linear = np.exp(2 * parameters[-1]) * np.einsum("nc,nc->n", inner, inner)
        return np.asarray(constant + linear)

    def with_pullback(self, parameters: Vector, rows: Matrix) -> tuple[Matrix, Pullback]:
        """Return the covariance of rows [N, C] with itself, and its pullback.

        The pullback maps symmetric weights W [N, N] to sum_ij W_ij dK_ij / dparameters.
        """
        linear = self._linear(parameters, rows, rows)
        total = 1 + linear
        parts = []
        for columns, amplitude, lengths in self._blocks(parameters):
            scaled = rows[:, columns] / lengths
            squares = _squared_distances(scaled, scaled)
            part = amplitude**2 * matern(squares)
            parts.append((scaled, part, amplitude**2 * _matern_slope(squares)))
            total += part

        def pull(weights: Matrix) -> Vector:
            found: list[float] = []
            for scaled, part, slope in parts:
                found.append(2 * float(np.sum(weights * part)))
                found.extend(-2 * _weighted_squares(weights * slope, scaled))
            found.append(2 * float(np.sum(weights * linear)))
            return np.array(found)

        return total, pull

    def _linear(self, parameters: Vector, left: Matrix, right: Matrix) -> Matrix:
        width = self.widths[0]
        product = left[:, :width] @ right[:, :width].T
        return np.asarray(np.exp(2 * parameters[-1]) * product)

    def _blocks(self, parameters: Vector) -> list[tuple[slice, float, Vector]]:
        blocks, column, at = [], 0, 0
        for width in self.widths:
            amplitude = float(np.exp(parameters[at]))
            lengths = np.exp(parameters[at + 1 : at + 1 + width])
            blocks.append((slice(column, column + width), amplitude, lengths))
            column, at = column + width, at + width + 1
        return blocks


def matern(squares: Matrix) -> Matrix:
    """Return the Matern-5/2 correlation of squared scaled distances; any shape."""
    root = _ROOT_FIVE * np.sqrt(squares)
    return np.asarray((1 + root + root**2 / 3) * np.exp(-root))


def _matern_slope(squares: Matrix) -> Matrix:
    """Return the derivative of `matern` by the squared distance, which is finite at 0."""
    root = _ROOT_FIVE * np.sqrt(squares)
    return np.asarray(-5 / 6 * (1 + root) * np.exp(-root))


def _squared_distances(left: Matrix, right: Matrix) -> Matrix:
    """Return [N, P] squared distances, by products so that no [N, P, C] array is made."""
    norms = np.einsum("nc,nc->n", left, left)[:, None] + np.einsum("pc,pc->p", right, right)
    return np.asarray(np.maximum(norms - 2 * left @ right.T, 0.0))


def _weighted_squares(weights: Matrix, rows: Matrix) -> Vector:
    """Return sum_ij W_ij (x_ic - x_jc)^2 for every column c, for symmetric W; [C]."""
    outer = weights.sum(axis=1) @ rows**2
    inner = np.einsum("nc,nc->c", rows, weights @ rows)
    return np.asarray(2 * (outer - inner))
