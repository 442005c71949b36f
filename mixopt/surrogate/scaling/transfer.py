"""A law learned on one set of runs, carried to another set that has few runs of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from scipy import linalg, special

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.kernel import matern
from mixopt.surrogate.laws.law import FittedLaw, Matrix, Prediction, Vector, single_thread

# All sizes are in standard deviations of the new runs' values.
_SCATTERS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # of what neither part explains
_AMPLITUDES = (0.05, 0.1, 0.2, 0.4, 0.8)  # of the residual process
_LENGTHS = (1.0, 2.0, 4.0)  # of the residual process, in median distances between runs
_INTERCEPT = 10.0  # deviation of the intercept: as good as free
_NO_RESIDUAL = 0.5  # prior probability that the affine map is all there is
_LEAST = 1e-4  # members of the average that weigh less are dropped
_STEPS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Slope:
    """What is expected of the slope before any run: a normal distribution.

    The default is for measures of the same units at both sizes, where a better model moves less
    or a little more than a smaller one, and hardly ever in the opposite direction.
    """

    centre: float = 1.0
    deviation: float = 0.5


_SLOPE: Final = Slope()


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred:
    """y(x) = a + b m(x) + r(x), m the source's mean: an affine calibration and what it leaves.

    The autoregressive model of Kennedy and O'Hagan 2000, "Predicting the output from a complex
    computer code when fast approximations are available" (equation 1), with a free intercept, a
    slope that is held near its prior, and a Matern-5/2 process r on the square roots of the
    shares. Scatter, amplitude and length scale of r are averaged over a grid by their evidence, so
    that a few runs calibrate and only many runs bend.

    Attributes:
        source: the law of the earlier runs; it predicts costs of the same measure.
        slope: what is expected of b.
    """

    source: FittedLaw
    slope: Slope = field(default_factory=Slope)
    name: str = "transferred"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedTransfer:  # noqa: ARG002 - nothing is drawn
        """Return the average over the grid, fitted to N runs."""
        earlier = self.source.predict(features)
        guess = earlier.mean
        rows = _columns(features)
        spread = float(np.std(values)) or float(np.std(guess)) or 1.0
        frame = Frame(
            level=float(np.mean(values)),
            centre=float(np.mean(guess)),
            spread=spread,
            unit=_median_distance(rows),
            rows=rows,
            lean=guess - np.mean(guess),
            slope=self.slope,
        )
        with single_thread():
            found = [_condition(setting, frame, values, noise) for setting in _settings()]
        logs = np.array([member.evidence for member in found])
        shares = np.exp(logs - special.logsumexp(logs))
        kept = [index for index in range(len(found)) if shares[index] > _LEAST]
        fitted = FittedTransfer(
            source=self.source,
            frame=frame,
            members=tuple(found[index] for index in kept),
            shares=shares[kept] / shares[kept].sum(),
            alone=_leave_one_out(found, logs),
        )
        return replace(fitted, alone=_with_doubt(fitted.alone, earlier, fitted.slope))


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One point of the grid: sizes in standard deviations of the values, length in distances."""

    scatter: float
    amplitude: float
    length: float
    prior: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where N new runs lie.

    Attributes:
        level: mean of their values.
        centre: mean of the source's predictions.
        spread: standard deviation of their values.
        unit: median distance between their mixtures.
        rows: [N, C] square roots of shares.
        lean: [N] the source's predictions less their mean.
        slope: what is expected of the slope.
    """

    level: float
    centre: float
    spread: float
    unit: float
    rows: Matrix
    lean: Vector
    slope: Slope

    def covariance(self, setting: Setting, rows: Matrix, lean: Vector) -> Matrix:
        """Return prior covariances between the N new runs and P others; [N, P]."""
        affine = (_INTERCEPT * self.spread) ** 2 + self.slope.deviation**2 * np.outer(
            self.lean, lean
        )
        if setting.amplitude == 0:
            return affine
        size = (setting.amplitude * self.spread) ** 2
        return np.asarray(affine + size * matern(self._squares(setting, rows)))

    def variance(self, setting: Setting, lean: Vector) -> Vector:
        """Return the prior variance of P rows; [P]."""
        fixed = (_INTERCEPT**2 + setting.amplitude**2) * self.spread**2
        return np.asarray(fixed + (self.slope.deviation * lean) ** 2)

    def _squares(self, setting: Setting, rows: Matrix) -> Matrix:
        length = setting.length * self.unit
        return np.asarray(((self.rows[:, None] - rows) ** 2).sum(axis=2) / length**2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """The model at one setting, conditioned on N runs.

    Attributes:
        evidence: log marginal likelihood plus log prior of the setting.
        inverse: [N, N] of the covariance of the runs.
        solved: [N] the inverse times the values less their prior mean.
        alone: predictions of every run from the others, of its value and not of its mean.
        within: [N] variances of the measured values about their mean.
    """

    setting: Setting
    evidence: float
    inverse: Matrix
    solved: Vector
    alone: Prediction
    within: Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedTransfer:
    """A calibrated law.

    Attributes:
        source: the law of the earlier runs.
        frame: where the new runs lie.
        members: the settings that the runs leave likely.
        shares: their weights, of sum one.
        alone: prediction of every new run from the others: exact, weights of settings included;
            doubted as any other prediction is.
    """

    source: FittedLaw
    frame: Frame
    members: tuple[Member, ...]
    shares: Vector
    alone: Prediction

    def predict(self, features: Features) -> Prediction:
        """Return the average over settings; the source's own doubt counts, times the slope."""
        frame, earlier = self.frame, self.source.predict(features)
        rows, lean = _columns(features), earlier.mean - frame.centre
        means, variances = [], []
        for member in self.members:
            cross = frame.covariance(member.setting, rows, lean)
            explained = np.einsum("np,nk,kp->p", cross, member.inverse, cross, optimize=True)
            means.append(frame.slope.centre * lean + cross.T @ member.solved)
            variances.append(frame.variance(member.setting, lean) - explained)
        found = _average(np.array(means), np.maximum(variances, 0.0), self.shares)
        here = Prediction(mean=frame.level + found.mean, deviation=found.deviation)
        return _with_doubt(here, earlier, self.slope)

    @property
    def slope(self) -> Slope:
        """What is known of the slope after the runs."""
        frame = self.frame
        prior, lean = frame.slope.deviation**2, frame.lean
        means = [frame.slope.centre + prior * (lean @ member.solved) for member in self.members]
        left = [prior - prior**2 * (lean @ member.inverse @ lean) for member in self.members]
        found = _average(np.array(means)[:, None], np.array(left)[:, None], self.shares)
        return Slope(centre=float(found.mean[0]), deviation=float(found.deviation[0]))


def transfer(
    sources: Sequence[FittedLaw],
    features: Features,
    values: Matrix,
    noise: Matrix,
    *,
    pooled: bool = True,
    slope: Slope = _SLOPE,
) -> tuple[FittedTransfer, ...]:
    """Carry the laws of P measures to new runs; slopes inform one another where they are pooled.

    Args:
        sources: P laws of earlier runs, which predict costs.
        features: N new schedules.
        values: [N, P] costs of the new runs; not a number where a run lacks a measure.
        noise: [N, P] variances of the values.
        pooled: whether slopes of measures are expected to be alike; ask for measures of one kind.
        slope: what is expected of a slope before any run.

    Returns:
        P calibrated laws.
    """

    def fit(prior: Slope) -> tuple[FittedTransfer, ...]:
        found = []
        for source, column, variances in zip(sources, values.T, noise.T, strict=True):
            known = np.isfinite(column)
            law = Transferred(source=source, slope=prior)
            found.append(law.fit(features.rows(known), column[known], variances[known], 0))
        return tuple(found)

    first = fit(slope)
    return fit(pool([law.slope for law in first], slope)) if pooled and len(first) > 1 else first


def pool(found: Sequence[Slope], prior: Slope) -> Slope:
    """Return the distribution of slopes over measures, given each measure's own.

    Slopes are normal around a common mean (partial pooling: Gelman and others 2013, "Bayesian Data
    Analysis", section 5.4). Each measure's likelihood is its posterior over the prior; their
    deviation is averaged over, uniform a priori up to the prior's own, as few measures hardly tell it.

    Args:
        found: of P measures, each fitted with the prior.
        prior: what was expected of each.
    """
    exact = np.array([max(one.deviation**-2 - prior.deviation**-2, 1e-9) for one in found])
    pulled = [one.centre / one.deviation**2 - prior.centre / prior.deviation**2 for one in found]
    centres, variances = np.array(pulled) / exact, 1 / exact
    deviations = np.linspace(0.0, prior.deviation, _STEPS)[1:, None]
    total = variances + deviations**2
    precision = (1 / total).sum(axis=1) + prior.deviation**-2
    means = ((centres / total).sum(axis=1) + prior.centre / prior.deviation**2) / precision
    logs = -0.5 * (np.log(total) + (centres - means[:, None]) ** 2 / total).sum(axis=1)
    logs -= 0.5 * (np.log(precision) + (means - prior.centre) ** 2 / prior.deviation**2)
    shares = np.exp(logs - special.logsumexp(logs))
    variance = deviations[:, 0] ** 2 + 1 / precision
    pooled = _average(means[:, None], variance[:, None], shares)
    return Slope(centre=float(pooled.mean[0]), deviation=float(pooled.deviation[0]))


def _settings() -> list[Setting]:
    bends = [(amplitude, length) for amplitude in _AMPLITUDES for length in _LENGTHS]
    plain = np.log(_NO_RESIDUAL / len(_SCATTERS))
    bent = np.log((1 - _NO_RESIDUAL) / len(_SCATTERS) / len(bends))
    choices = [(0.0, 1.0, plain)] + [(amplitude, length, bent) for amplitude, length in bends]
    return [
        Setting(scatter=scatter, amplitude=amplitude, length=length, prior=float(prior))
        for scatter in _SCATTERS
        for amplitude, length, prior in choices
    ]


def _condition(setting: Setting, frame: Frame, values: Vector, noise: Vector) -> Member:
    """Return one setting's model given the runs (Rasmussen and Williams 2006, eqs. 2.30, 5.12)."""
    covariance = frame.covariance(setting, frame.rows, frame.lean)
    within = (setting.scatter * frame.spread) ** 2 + noise
    factor = linalg.cholesky(covariance + np.diag(within), lower=True)
    residual = values - frame.level - frame.slope.centre * frame.lean
    inverse = linalg.cho_solve((factor, True), np.eye(len(values)))
    solved = inverse @ residual
    log = -0.5 * residual @ solved - np.log(np.diag(factor)).sum()
    variance = 1 / np.diag(inverse)
    return Member(
        setting=setting,
        evidence=float(log - len(values) * np.log(2 * np.pi) / 2 + setting.prior),
        inverse=inverse,
        solved=solved,
        alone=Prediction(mean=values - variance * solved, deviation=np.sqrt(variance)),
        within=within,
    )


def _leave_one_out(found: Sequence[Member], logs: Vector) -> Prediction:
    """Return predictions of every run from the others, settings weighed without the run; [N].

    The evidence of the other runs is the evidence of all over the density of the run given them.
    """
    means = np.array([member.alone.mean for member in found])
    variances = np.array([member.alone.deviation**2 for member in found])
    solved = np.array([member.solved for member in found])
    density = -0.5 * (np.log(2 * np.pi * variances) + solved**2 * variances)
    others = logs[:, None] - density
    shares = np.exp(others - special.logsumexp(others, axis=0))
    within = np.array([member.within for member in found])
    return _average(means, np.maximum(variances - within, 0.0), shares)


def _with_doubt(found: Prediction, earlier: Prediction, slope: Slope) -> Prediction:
    """Return predictions that doubt the source, too: its own doubt counts, times the slope."""
    doubt = slope.centre * earlier.deviation
    return Prediction(mean=found.mean, deviation=np.hypot(found.deviation, doubt))


def _average(means: Matrix, variances: Matrix, shares: Matrix) -> Prediction:
    """Return the moments of a mixture of normal distributions over the first axis."""
    weights = shares if shares.ndim > 1 else shares[:, None]
    mean = (weights * means).sum(axis=0)
    variance = (weights * (variances + (means - mean) ** 2)).sum(axis=0)
    return Prediction(mean=mean, deviation=np.sqrt(variance))


def _columns(features: Features) -> Matrix:
    """Return [N, S * M] square roots of what every stage gives of every domain."""
    given = features.tokens[:, :, None] * features.weights
    return np.asarray(np.sqrt(given).reshape(features.num_rows, -1))


def _median_distance(rows: Matrix) -> float:
    distances = np.sqrt(((rows[:, None] - rows) ** 2).sum(axis=2))
    apart = distances[distances > 0]
    return float(np.median(apart)) if len(apart) else 1.0
