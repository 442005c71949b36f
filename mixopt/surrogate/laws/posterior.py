"""A Gaussian process conditioned on rows, in standardized units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mixopt.surrogate.laws.evidence import JITTER, Evidence
from mixopt.surrogate.laws.kernel import Kernel

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_CHUNK = 512  # rows predicted at a time, so that what they need stays near the processor


@dataclass(frozen=True, kw_only=True, slots=True)
class Posterior:
    """A process conditioned on N rows, in standardized units.

    Attributes:
        kernel: the covariance.
        parameters: as in `Evidence`.
        rows: [N, C] columns.
        factor: [N, N] lower Cholesky factor of the training covariance with its noise.
        solved: [N] the inverse covariance times the targets.
    """

    kernel: Kernel
    parameters: Vector
    rows: Matrix
    factor: Matrix
    solved: Vector

    def at(self, rows: Matrix) -> tuple[Vector, Vector]:
        """Return posterior means and deviations (R. and W. 2006, eqs. 2.25, 2.26); [P] each."""
        means, variances = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            cross = self._cross(rows[part])
            means[part] = self.solved @ cross
            explained = self._explained(cross)
            variances[part] = self.kernel.diagonal(self.parameters[:-2], rows[part])
            variances[part] -= np.einsum("np,np->p", explained, explained)
        return means, np.sqrt(np.maximum(variances, 0.0))

    def covariance(self, left: Matrix, right: Matrix) -> Matrix:
        """Return posterior covariances between rows of `left` and of `right`."""
        halves = [self._explained(self._cross(rows)) for rows in (left, right)]
        before = self.kernel.covariance(self.parameters[:-2], left, right)
        return np.asarray(before - halves[0].T @ halves[1])

    def left_out_errors(self) -> Vector:
        """Return every target less its prediction without it (R. and W. 2006, eq. 5.12); [N]."""
        inverse = linalg.lapack.dpotri(self.factor, lower=1)[0]
        return np.asarray(self.solved / np.diag(inverse))

    def _cross(self, rows: Matrix) -> Matrix:
        return self.kernel.covariance(self.parameters[:-2], self.rows, rows)

    def _explained(self, cross: Matrix) -> Matrix:
        """Return the inverse factor times a covariance [N, P] with the training rows."""
        return np.asarray(linalg.solve_triangular(self.factor, cross, lower=True))


def condition(evidence: Evidence, parameters: Vector) -> Posterior:
    """Return the process with these parameters, conditioned on all rows of the evidence."""
    found = evidence.targets.warped(float(parameters[-1]))
    covariance = evidence.kernel.covariance(parameters[:-2], evidence.rows, evidence.rows)
    covariance[np.diag_indices_from(covariance)] += found.noise + np.exp(parameters[-2]) + JITTER
    factor = linalg.cholesky(covariance, lower=True)
    return Posterior(
        kernel=evidence.kernel,
        parameters=parameters,
        rows=evidence.rows,
        factor=factor,
        solved=linalg.cho_solve((factor, True), found.targets),
    )
