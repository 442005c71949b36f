"""Other procedures for choosing the next runs, written from their papers, for replays over pools."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
import optuna
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.log_linear import LogLinear
from mixopt.surrogate.proposing.candidates import divergences
from mixopt.surrogate.runs import Runs

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_SEEDS: Final = 2**31 - 1
_OLMIX_PENALTY: Final = 0.05  # per nat, on a mean of bits per byte


def unseen(pool: Runs, seen: Sequence[int]) -> NDArray[np.int64]:
    """Return the rows that are left."""
    return np.setdiff1d(np.arange(pool.num_rows), np.array(seen))


def signs_of(pool: Runs) -> Vector:
    """Return what turns every measure into a cost; [P]."""
    return np.array([1.0 if way == "minimize" else -1.0 for way in pool.directions])


def costs_of(pool: Runs) -> Vector:
    """Return the mean of a pool's measures, best when small; [N]."""
    return np.asarray((pool.values * signs_of(pool)).mean(axis=1))


def columns_of(features: Features) -> Matrix:
    """Return what is searched over as a plain vector: weights, sizes of stages, settings; [N, C].

    A pool of constant mixtures has the M weights alone.
    """
    rows = features.num_rows
    sizes = features.tokens[:, features.varying_tokens]
    return np.hstack([features.weights.reshape(rows, -1), sizes, features.numbers])


def boosted(rows: Matrix, values: Vector, others: Matrix) -> Vector:
    """Return what LightGBM, as RegMix sets it, predicts of other rows.

    1,000 trees of learning rate 0.01 and otherwise LightGBM's defaults, whose smallest leaf of 20
    rows allows no split before 40 runs. RegMix's notebook stops early on test rows; there is
    nothing to stop on here.

    Args:
        rows: [N, C] weights of the runs.
        values: [N] measured.
        others: [P, C] weights.
    """
    settings = {
        "objective": "regression",
        "learning_rate": 0.01,
        "num_threads": 1,
        "deterministic": True,
        "seed": 42,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, values), num_boost_round=1000)
    return np.asarray(booster.predict(others, num_threads=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Random:
    """Runs in random order."""

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return random rows."""
        rows = seeds.generator(seed, "random").permutation(unseen(pool, seen))[:count]
        return [int(row) for row in rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegMix:
    """RegMix (arXiv 2407.01492): LightGBM with its published settings, one model per measure.

    What is predicted alike is taken in random order; see `boosted`.
    """

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return the rows of the least predicted mean."""
        rest = seeds.generator(seed, "ties").permutation(unseen(pool, seen))
        columns = columns_of(pool.features)
        guesses = np.zeros(len(rest))
        for sign, values in zip(signs_of(pool), pool.values[seen].T, strict=True):
            guesses += boosted(columns[seen], sign * values, columns[rest])
        return [int(row) for row in rest[np.argsort(guesses, kind="stable")[:count]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Olmix:
    """Olmix (arXiv 2602.12237): log-linear laws, and a penalty on the divergence from the prior.

    The natural mixture of a pool is not published with every table; its mean mixture stands in.
    """

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return the rows of the least penalized prediction."""
        rest, columns = unseen(pool, seen), list(seen)
        near, far = pool.features.rows(np.array(columns)), pool.features.rows(rest)
        guesses = np.zeros(len(rest))
        for sign, values in zip(signs_of(pool), pool.values[columns].T, strict=True):
            law = LogLinear().fit(near, sign * values, np.zeros(len(columns)), seed)
            guesses += law.predict(far).mean / len(pool.measures)
        prior = np.broadcast_to(pool.features.doses.mean(axis=0), far.doses.shape)
        guesses += _OLMIX_PENALTY * divergences(far.doses, prior)
        return [int(row) for row in rest[np.argsort(guesses, kind="stable")[:count]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Optuna:
    """A sampler of Optuna on raw weights: the run of the pool nearest to what it suggests.

    A weight per stage and domain in [0, 1], normalized by stage; the sampler is told the weights
    of the run that was taken. It sees all runs so far, the random first ones included.
    """

    name: str  # tpe or gp

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return the rows nearest to suggestions."""
        columns, rest = columns_of(pool.features), unseen(pool, seen).tolist()
        names = [str(number) for number in range(columns.shape[1])]
        box: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.FloatDistribution(0, 1) for name in names
        }
        study, costs = self._study(seed), costs_of(pool)
        for row in seen:
            params = dict(zip(names, columns[row].tolist(), strict=True))
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=box, value=costs[row])
            )
        chosen = []
        for _ in range(count):
            params = study.ask(box).params
            wanted = _normalized(np.array([params[name] for name in names]), pool.features)
            nearest = rest[int(((columns[rest] - wanted) ** 2).sum(axis=1).argmin())]
            rest.remove(nearest)
            chosen.append(nearest)
        return chosen

    def _study(self, seed: int) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.create_study(sampler=self._sampler(seed % _SEEDS))

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.name == "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0
        )


def _normalized(wanted: Vector, features: Features) -> Vector:
    """Return suggested columns whose weights sum to one in every stage; [C]."""
    num_stages, num_domains = len(features.stages), len(features.domains)
    found = wanted.copy()
    weights = found[: num_stages * num_domains].reshape(num_stages, num_domains)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return found
