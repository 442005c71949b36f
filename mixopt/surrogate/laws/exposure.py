"""What domains give over stages, and the form that turns a curve over them into a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import Matrix, Vector
from mixopt.surrogate.laws.least_squares import FittedForm, Prior, fit_form

_STAGE = 0.3  # prior deviations: of the log worth of a stage's tokens,
_STAGE_DOMAIN = 0.3  # of that of one domain in one stage beside it,
_SETTING = 0.3  # and of what a setting does over its range, in standard deviations of the measure
_TINY = 1e-12


class Curve(Protocol):
    """A function of the exposures of M domains."""

    @property
    def prior(self) -> Prior:
        """What is expected of the P parameters before any run."""

    def value(self, exposures: Matrix, parameters: Vector) -> tuple[Vector, Matrix, Matrix]:
        """Return the values at N rows of exposures [N, M], and their derivatives.

        Returns:
            [N] values, [N, P] derivatives by the parameters, and [N, M] derivatives by the
            logarithms of the exposures.
        """


def fit_curve(curve: Curve, features: Features, values: Vector, noise: Vector) -> FittedForm:
    """Fit a curve over exposures to runs; see `fit_form` and `ExposureForm`."""
    stages = len(features.stages) if len(features.stages) > 1 else 0
    form = ExposureForm(
        curve=curve,
        prior=_joined_prior(curve.prior, features, stages),
        num_domains=len(features.domains),
        num_stages=stages,
    )
    return fit_form(form, features, values, noise)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExposureForm:
    """A curve over what every domain gives, and a small effect of every setting beside it.

    The exposure of domain j is h_j = sum_s exp(a_s + e_sj) r_s w_sj with r_s the share of the
    tokens that stage s has and w_sj its mixture: the dose where a and e are 0, as they are where
    there is one stage. Doses come first and order second, since a and e are held at 0. A setting z
    in [0, 1] adds b (z - 1/2) + c (z - 1/2)^2.

    Attributes:
        prior: of the curve's parameters, then a [S], e [S, M] and the effects of settings [2 X].
        num_stages: S, or 0 where there is only one and exposures are doses.
    """

    curve: Curve
    prior: Prior
    num_domains: int
    num_stages: int

    def columns(self, features: Features) -> Matrix:
        """Return [N, C]: what every domain gives, stage by stage, and the centred settings."""
        given = features.tokens[:, :, None] * features.weights
        blocks = given if self.num_stages else given.sum(axis=1)
        settings = features.numbers - 0.5
        return np.hstack([blocks.reshape(features.num_rows, -1), settings, settings**2])

    def value(self, columns: Matrix, parameters: Vector) -> tuple[Vector, Matrix]:
        """Return the N values and their [N, P] derivatives."""
        count, extra = len(columns), self.num_stages * (1 + self.num_domains)
        own = len(self.curve.prior.centre)
        blocks = max(self.num_stages, 1) * self.num_domains
        given, settings = columns[:, :blocks], columns[:, blocks:]
        worth = given.reshape(count, -1, self.num_domains)
        if extra:
            worth = worth * self._stage_worth(parameters[own : own + extra])
        exposures = worth.sum(axis=1)
        value, slopes, by_log = self.curve.value(exposures, parameters[:own])
        parts = [slopes]
        if extra:
            pulls = worth * (by_log / np.maximum(exposures, _TINY))[:, None]
            parts += [pulls.sum(axis=2), pulls.reshape(count, -1)]
        value = value + settings @ parameters[own + extra :]
        return value, np.hstack([*parts, settings])

    def _stage_worth(self, parameters: Vector) -> Matrix:
        """Return [S, M] factors of what domains give in stages."""
        stage = parameters[: self.num_stages, None]
        own = parameters[self.num_stages :].reshape(self.num_stages, self.num_domains)
        return np.asarray(np.exp(np.clip(stage + own, -5.0, 5.0)))


def _joined_prior(curve: Prior, features: Features, stages: int) -> Prior:
    effects = 2 * len(features.settings)
    precision = [
        curve.precision,
        np.full(stages, _STAGE**-2),
        np.full(stages * len(features.domains), _STAGE_DOMAIN**-2),
        np.full(effects, _SETTING**-2),
    ]
    joined = np.concatenate(precision)
    centre = np.concatenate([curve.centre, np.zeros(len(joined) - len(curve.centre))])
    return Prior(centre=centre, precision=joined)
