"""The Gaussian-process law: smooth in cube roots of weights, with doses first and order second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixopt import seeds
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.evidence import Evidence, likeliest, prior_of
from mixopt.surrogate.laws.kernel import Kernel
from mixopt.surrogate.laws.law import Matrix, Prediction, Vector, single_thread
from mixopt.surrogate.laws.posterior import Posterior, condition
from mixopt.surrogate.laws.process_columns import Frame, frame_of
from mixopt.surrogate.laws.warp import Costs, LogUnits, costs_of

_FEW_ROWS = 192  # on which the climb begins where there are more than twice as many
_MOST_ROWS = 512  # on which it ends; by then parameters are well determined
_KNOWN = 1e-9  # product of two deviations below which nothing is left to correlate


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianProcess:
    """Matern-5/2 process with a length scale per column, at the maximum of its posterior.

    It explains logarithms of costs above a learned floor (`warp.Costs`) on the columns of
    `process_columns.Frame`, with the priors of `evidence.prior`. Noise is the known variance of
    each row plus a learned one that all rows share.

    Attributes:
        num_starts: climbs to the likeliest parameters, the first from the prior medians.
    """

    name: str = "gaussian_process"
    num_starts: int = 1

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedProcess:
        """Return the process with the parameters of largest posterior density."""
        frame = frame_of(features)
        prior = prior_of(Kernel(widths=frame.widths))
        rng = seeds.generator(seed, "gaussian_process", "starts")
        drawn = rng.standard_normal((self.num_starts, len(prior.medians)))
        drawn[0] = 0
        starts = list(prior.medians + prior.spreads * drawn)
        return _fit(frame, features, costs_of(values, noise), starts, seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedProcess:
    """A process conditioned on its training runs."""

    frame: Frame
    units: LogUnits
    posterior: Posterior

    def predict(self, features: Features) -> Prediction:
        """Return the median, and half the width from the 16th to the 84th percentile."""
        with single_thread():
            mean, deviation = self.posterior.at(self.frame.columns(features))
        return self.units.outward(mean, deviation)

    def correlation(self, left: Features, right: Features) -> Matrix:
        """Return posterior correlations between rows of `left` [N] and of `right` [P]; [N, P].

        A row whose value is known for sure goes together with no other.
        """
        with single_thread():
            rows = [self.frame.columns(features) for features in (left, right)]
            safe = np.outer(*(self.posterior.at(side)[1] for side in rows))
            found = self.posterior.covariance(*rows) / np.where(safe > _KNOWN, safe, np.inf)
        return np.asarray(np.clip(found, -1.0, 1.0))

    def sample(self, features: Features, count: int, rng: np.random.Generator) -> Matrix:
        """Return joint draws of the process at N schedules, in units of the measure; [count, N].

        Meant for some hundred schedules: the time grows with their number to the third power.

        Args:
            features: N schedules.
            count: how many draws.
            rng: where draws come from.
        """
        with single_thread():
            rows = self.frame.columns(features)
            values, vectors = np.linalg.eigh(self.posterior.covariance(rows, rows))
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            errors = rng.standard_normal((count, len(values))) @ root.T
            draws = self.posterior.at(rows)[0] + errors
        return self.units.outward(draws, np.zeros(len(values))).mean


def _fit(
    frame: Frame, features: Features, costs: Costs, starts: Sequence[Vector], seed: int
) -> FittedProcess:
    kernel = Kernel(widths=frame.widths)
    evidence = Evidence(
        kernel=kernel, rows=frame.columns(features), targets=costs, prior=prior_of(kernel)
    )
    with single_thread():
        if features.num_rows > 2 * _FEW_ROWS:
            starts = [likeliest(evidence.some(_FEW_ROWS, seed), starts)]
        parameters = likeliest(evidence.some(_MOST_ROWS, seed), starts)
        posterior = condition(evidence, parameters)
    return FittedProcess(frame=frame, units=costs.units(float(parameters[-1])), posterior=posterior)
