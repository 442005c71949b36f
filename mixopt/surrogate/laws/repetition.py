"""The repetition law: a power law in effective data, where repeated tokens are worth less and less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.effective_data import _effective_data as effective_data_curve
from mixopt.surrogate.laws.exposure import Curve, fit_curve
from mixopt.surrogate.laws.law import FittedLaw, Matrix, Vector
from mixopt.surrogate.laws.least_squares import Prior

_PATIENCE = (np.log(15.4), 1.0)  # prior of the mean of log R*: R*_D of the paper, section 5
_APART = 0.5  # prior deviation of a domain's log R* from that mean
_LIMITS = (-3.0, 8.0)  # of log R*


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetition:
    """The effective-data law on effective unique tokens, D' = U + U R* (1 - exp(-(e - 1) / R*)).

    "Scaling data-constrained language models" (arXiv 2305.16264, equations 5 and 6), per domain: U
    unique tokens, passed over e times, are worth D' tokens that were all new; a dose that is not
    repeated is worth itself. log R* of a domain is normal around a mean that all domains share and
    the runs decide, so that a domain that was never repeated is expected to wear out like the rest.
    """

    name: str = "repetition"

    def applies(self, features: Features) -> bool:
        """Return whether a domain is passed over more than once in any run."""
        return bool((features.epochs > 1).any())

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedLaw:  # noqa: ARG002 - nothing is drawn
        """Return the law of least penalized squares; the effective-data law if nothing repeats."""
        inner = effective_data_curve(len(features.domains))
        curve = WornOut(inner=inner, passes=features.passes)
        return fit_curve(curve, features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class WornOut:
    """A curve over exposures that lose worth as domains repeat.

    Parameters are those of the inner curve, the mean of log R*, and M offsets from it.

    Attributes:
        inner: the curve over exposures of unique tokens.
        passes: [M] epochs of a domain if all tokens came from it; 0 where that is not known.
    """

    inner: Curve
    passes: Vector

    @property
    def prior(self) -> Prior:
        """What is expected: the inner curve, and the paper's R* for all domains."""
        inner, (centre, spread) = self.inner.prior, _PATIENCE
        apart = np.full(len(self.passes), _APART**-2)
        return Prior(
            centre=np.concatenate([inner.centre, [centre], np.zeros(len(apart))]),
            precision=np.concatenate([inner.precision, [spread**-2], apart]),
        )

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the N values and their derivatives by parameters and by log exposures."""
        count = len(self.passes)
        patience = np.clip(parameters[-count - 1] + parameters[-count:], *_LIMITS)
        kept, by_epochs, by_patience = kept_value(exposures * self.passes, np.exp(patience))
        found = self.inner.value(exposures * kept, parameters[: -count - 1])
        value, slopes, by_log = found
        pulls = by_log * by_patience
        slopes = np.hstack([slopes, pulls.sum(axis=1, keepdims=True), pulls])
        return value, slopes, by_log * by_epochs


def kept_value(epochs: Matrix, patience: Vector) -> tuple[Matrix, Matrix, Matrix]:
    """Return what share of their worth tokens keep when they are repeated, D' / D.

    Args:
        epochs: [N, M] how often every domain is passed over; up to 1, and where it is not known
            and so 0, nothing is lost.
        patience: [M] R*, in epochs.

    Returns:
        [N, M] D' / D, and the derivatives of log D' by the logs of D and of R*.
    """
    passed = np.maximum(epochs, 1.0)
    scaled = (passed - 1) / patience
    fresh = np.exp(-scaled)
    worth = 1 + patience * -np.expm1(-scaled)
    by_patience = patience * (-np.expm1(-scaled) - scaled * fresh) / worth
    return worth / passed, np.where(epochs > 1, passed * fresh / worth, 1.0), by_patience
