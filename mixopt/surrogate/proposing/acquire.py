"""What the next runs are worth: expected improvement and Thompson draws over candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from mixopt.surrogate.features import Features

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_REACH: Final = 0.15  # Hellinger-like distance over which a law without a process errs alike
_LEAST_SHARE = 1e-6  # of the largest deviation: what a candidate that is known keeps of doubt
_LEAST_VARIANCE = 1e-9  # of a correlation, below which nothing is left to learn
_DRAWS = 1024  # each with its opposite
_LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)
_ROOT_HALF_PI = np.sqrt(np.pi / 2)


@runtime_checkable
class Correlated(Protocol):
    """A fitted law that knows how its errors at two schedules go together."""

    def correlation(self, left: Features, right: Features) -> Matrix:
        """Return posterior correlations between rows of `left` [N] and of `right` [P]; [N, P]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a law expects of N candidates, in units of the measure.

    Attributes:
        gains: [N] how much better than the best run each is expected to be; negative is worse.
            The best run is the one that the law says is best: the best measured value is partly
            luck, and would have to be lucky again (Picheny et al. 2013, "A benchmark of
            kriging-based infill criteria for noisy optimization", section 3.3).
        deviations: [N] standard deviations of the law's mean.
        correlation: [N, N] between the law's errors.
    """

    gains: Vector
    deviations: Vector
    correlation: Matrix


def expected_improvement(gains: Vector, deviations: Vector) -> Vector:
    """Return E max(0, Z) for Z ~ N(gain, deviation^2) (Jones et al. 1998, equation 15); [N].

    Args:
        gains: [N] expected advantages over the best.
        deviations: [N] their standard deviations; 0 is allowed.
    """
    safe = np.where(deviations > 0, deviations, 1.0)
    z = gains / safe
    found = gains * ndtr(z) + safe * np.exp(-(z**2) / 2 - _LOG_ROOT_TWO_PI)
    return np.asarray(np.where(deviations > 0, np.maximum(found, 0.0), np.maximum(gains, 0.0)))


def log_improvement(gains: Vector, deviations: Vector) -> Vector:
    """Return the logarithm of the expected improvement, finite where that underflows to 0; [N].

    Candidates that are all far worse than the best are still told apart (Ament et al. 2023,
    arXiv 2310.20708, equations 8 and 9).

    Args:
        gains: [N] expected advantages over the best.
        deviations: [N] their standard deviations; the least are lifted to a millionth of the
            largest.
    """
    least = max(_LEAST_SHARE * float(deviations.max(initial=0.0)), np.finfo(float).tiny ** 0.25)
    safe = np.maximum(deviations, least)
    z = gains / safe
    near = np.log(np.maximum(z * ndtr(z) + np.exp(-(z**2) / 2 - _LOG_ROOT_TWO_PI), 1e-300))
    below = np.minimum(z, -1.0)
    # phi(z) + z Phi(z) = phi(z) (1 - |z| sqrt(pi / 2) erfcx(|z| / sqrt(2))), which is about
    # phi(z) / z^2 where the bracket is lost to rounding.
    bracket = 1 + below * _ROOT_HALF_PI * erfcx(-below / np.sqrt(2))
    tail = np.where(below < -1e3, -2 * np.log(-below), np.log(np.maximum(bracket, 1e-300)))
    far = -(below**2) / 2 - _LOG_ROOT_TWO_PI + tail
    return np.asarray(np.log(safe) + np.where(z > -1, near, far))


def improving(
    outlook: Outlook, count: int, rng: np.random.Generator, pending: Sequence[int] = ()
) -> list[int]:
    """Return the candidates that together promise most, the most promising first.

    Each next one adds most to the expected improvement of the best of all that are pending or
    chosen, over common joint draws: greedy maximization of q-EI (Wilson, Hutter and Deisenroth
    2018, arXiv 1805.10196, section 3.2), which is submodular. Where no draw improves, it is the
    one of the largest logarithm of expected improvement once the doubt that the others will
    settle is taken off.

    Args:
        outlook: of N candidates.
        count: how many.
        rng: where draws come from.
        pending: rows that are being run already.
    """
    taken = list(pending)
    gains = outlook.gains + outlook.deviations * _errors(outlook.correlation, _DRAWS, rng)
    best = gains[:, taken].max(axis=1, initial=0.0)
    left = outlook.correlation
    for row in taken:
        left = settled(left, row)
    for _ in range(min(count, len(outlook.gains) - len(taken))):
        worth = np.maximum(gains - best[:, None], 0.0).mean(axis=0)
        worth[taken] = 0.0
        if not taken or worth.max() <= 0:
            deviations = outlook.deviations * np.sqrt(np.maximum(np.diag(left), 0.0))
            worth = log_improvement(outlook.gains, deviations)
            worth[taken] = -np.inf
        row = int(worth.argmax())
        taken.append(row)
        best, left = np.maximum(best, gains[:, row]), settled(left, row)
    return taken[len(pending) :]


def drawn(
    outlook: Outlook, count: int, rng: np.random.Generator, pending: Sequence[int] = ()
) -> list[int]:
    """Return the best candidates of joint draws from the law, one draw each, none twice.

    Thompson sampling in parallel (Kandasamy et al. 2018, arXiv 1705.09236): draws differ where
    the law is in doubt, so a batch spreads by itself.

    Args:
        outlook: of N candidates.
        count: how many.
        rng: where draws come from.
        pending: rows that are being run already.
    """
    taken = list(pending)
    for errors in _errors(outlook.correlation, count, rng)[: len(outlook.gains) - len(taken)]:
        worth = outlook.gains + outlook.deviations * errors
        worth[taken] = -np.inf
        taken.append(int(worth.argmax()))
    return taken[len(pending) :]


def batch_worth(outlook: Outlook, chosen: Sequence[int], rng: np.random.Generator) -> float:
    """Return by how much the best of a batch is expected to beat the best run, at least 0.

    It is the mean over joint draws of the largest gain of the batch, where that is positive. The
    draws should be others than those that the batch was chosen by, which flatter it.

    Args:
        outlook: of N candidates.
        chosen: rows of the batch.
        rng: where draws come from.
    """
    rows = list(chosen)
    errors = _errors(outlook.correlation[np.ix_(rows, rows)], _DRAWS, rng)
    gains = outlook.gains[rows] + outlook.deviations[rows] * errors
    return float(gains.max(axis=1, initial=0.0).mean())


def settled(correlation: Matrix, row: int) -> Matrix:
    """Return what is left of a correlation [N, N] once the value of one row is known."""
    pivot = float(correlation[row, row])
    if pivot < _LEAST_VARIANCE:
        return correlation
    return np.asarray(correlation - np.outer(correlation[:, row], correlation[row]) / pivot)


def error_correlation(fitted: object, features: Features) -> Matrix:
    """Return how the errors of a fitted law at N schedules go together; [N, N].

    It is the mean over all processes that the law is made of; a law without one is taken to err
    alike where schedules are alike.

    Args:
        fitted: a fitted law, or one that has `members` or is `fitted` to a measure.
        features: N schedules.
    """
    found = [process.correlation(features, features) for process in _processes(fitted)]
    return np.asarray(np.mean(found, axis=0)) if found else _closeness(features)


def _processes(fitted: object) -> Iterator[Correlated]:
    if isinstance(fitted, Correlated) and callable(fitted.correlation):
        yield fitted
        return
    for part in (*getattr(fitted, "members", ()), *_inner(fitted)):
        yield from _processes(part)


def _inner(fitted: object) -> tuple[object, ...]:
    inner = getattr(fitted, "fitted", None)
    return () if inner is None else (inner,)


def _closeness(features: Features) -> Matrix:
    """Return exp(-d^2 / (2 h^2)), d the distance of unit vectors of rooted doses; [N, N]."""
    given = features.tokens[:, :, None] * features.weights
    roots = np.sqrt(given.reshape(features.num_rows, -1))
    squares = np.maximum(2 - 2 * roots @ roots.T, 0.0)
    return np.asarray(np.exp(-squares / (2 * _REACH**2)))


def _errors(correlation: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """Return joint standard normal draws of a correlation [N, N] that may be singular; [count, N]."""
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    half = rng.standard_normal(((count + 1) // 2, len(values)))
    return np.asarray(np.concatenate([half, -half])[:count] @ root.T)
