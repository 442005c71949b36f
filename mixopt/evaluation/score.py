"""From measures to objectives: means over seeds with their noise, and how well a measure ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One measure of one trial over its seeds."""

    value: float  # mean over seeds
    standard_error: float  # over seeds; nan for a single one
    num_seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalToNoise:
    """How well a measure tells mixtures apart."""

    between: float  # sd of trial means, noise removed
    seed: float  # sd of one seed around its trial's mean
    per_seed: float  # between / seed
    of_mean: float  # between / standard error of a trial's mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A mean difference of two trials over common seeds, with its 95% interval."""

    value: float
    low: float
    high: float
    num_seeds: int


def score(values: Sequence[float]) -> Score:
    """Return the mean over seeds and its standard error."""
    count = len(values)
    error = float(np.std(values, ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return Score(value=float(np.mean(values)), standard_error=error, num_seeds=count)


def seed_variance(groups: Sequence[Sequence[float]]) -> float:
    """Return the variance of one seed around its trial's mean, pooled over trials.

    Trials with a single seed tell nothing; nan when no trial has two.
    """
    several = [np.asarray(group, float) for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if freedom == 0:
        return math.nan
    return float(sum(((group - group.mean()) ** 2).sum() for group in several) / freedom)


def signal_to_noise(groups: Sequence[Sequence[float]]) -> SignalToNoise:
    """Return the signal-to-noise ratio of a measure from trials with replicated seeds.

    The spread of trial means is corrected for the noise in them (one-way random effects,
    method of moments).

    Args:
        groups: values of each trial's seeds; without two trials and one replicated seed, nothing
            can be said (nan).
    """
    noise = seed_variance(groups)
    means = [float(np.mean(group)) for group in groups]
    seeds_each = len(groups) / sum(1 / len(group) for group in groups)
    if math.isnan(noise) or len(groups) < 2:
        return SignalToNoise(
            between=math.nan, seed=math.sqrt(noise), per_seed=math.nan, of_mean=math.nan
        )
    between = max(float(np.var(means, ddof=1)) - noise / seeds_each, 0.0)
    return SignalToNoise(
        between=math.sqrt(between),
        seed=math.sqrt(noise),
        per_seed=_ratio(between, noise),
        of_mean=_ratio(between * seeds_each, noise),
    )


def difference(left: Sequence[float], right: Sequence[float]) -> Difference:
    """Return left - right, paired by seed, with a 95% Student interval.

    Raises:
        ValueError: the two have not the same number of seeds, or fewer than two.
    """
    if len(left) != len(right) or len(left) < 2:
        message = f"paired seeds, at least two, got {len(left)} and {len(right)}"
        raise ValueError(message)
    pairs = np.asarray(left, float) - np.asarray(right, float)
    mean, count = float(pairs.mean()), len(pairs)
    half = float(stats.t.ppf(0.975, count - 1) * pairs.std(ddof=1) / math.sqrt(count))
    return Difference(value=mean, low=mean - half, high=mean + half, num_seeds=count)


def _ratio(signal: float, noise: float) -> float:
    """Return the root of signal / noise; without either, nothing is told apart."""
    if noise > 0:
        return math.sqrt(signal / noise)
    return math.inf if signal > 0 else 0.0
