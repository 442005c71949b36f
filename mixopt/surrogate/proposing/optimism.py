"""The strength of the penalty on divergence, chosen by what penalized picks turned out to be worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.law import FittedLaw, Law
from mixopt.surrogate.proposing.candidates import divergences as divergences_of
from mixopt.surrogate.proposing.candidates import prior_doses
from mixopt.surrogate.proposing.exploration import DEFAULT_CAUTION

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Fit = Callable[[NDArray[np.int64]], FittedLaw]

USUAL: Final = 0.05  # where runs do not tell penalties apart
GRID: Final = (0.0, 0.025, USUAL, 0.1, 0.2, 0.4, 0.8)
SPLITS: Final = 8
PROXY: Final[Law] = GaussianProcess()
_FEWEST_ROWS: Final = 16  # below, halves are too small to tell penalties apart
_PICKS: Final = 3  # runs of a half whose mean value stands for a pick, so that luck counts less


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A penalty, and what every penalty of the grid picked.

    Attributes:
        penalty: the chosen one, in standard deviations of the values per nat.
        grid: the G penalties.
        costs: [G] mean measured cost of their picks, in standard deviations from the mean run.
        optimism: [G] by how much the law had promised more, in the same units.
        errors: [G] standard error of the costs' differences from the best penalty's.
    """

    penalty: float
    grid: tuple[float, ...]
    costs: Vector
    optimism: Vector
    errors: Vector


def penalty_for(
    law: MeasureLaw, features: Features, space: Space, *, seed: int, judged: Law = PROXY
) -> Choice:
    """Choose the penalty for proposing with a law; see `choose_penalty`.

    Args:
        law: of the measure to improve.
        features: of the N runs that it was fitted to.
        space: where it proposes; its priors are what divergence is from.
        seed: names the halves.
        judged: the family that is fitted to the halves in place of the whole stack.
    """
    costs, noise = law.sign * law.values, np.zeros(len(law.values))

    def fit(rows: NDArray[np.int64]) -> FittedLaw:
        return judged.fit(features.rows(rows), costs[rows], noise[rows], seed)

    far = divergences_of(features.doses, prior_doses(space, features))
    return choose_penalty(fit, features, costs, far, seed=seed)


def choose_penalty(
    fit: Fit, features: Features, costs: Vector, divergences: Vector, *, seed: int
) -> Choice:
    """Choose the penalty whose picks among unseen runs were best, of those the one nearest 0.05.

    The runs are halved at random, eight times, and each half in its turn is what a law is fitted
    to; every penalty picks those runs of the other half that are best by the restrained
    prediction, and is charged what they measured. A law's optimism at its own optimum, predicted
    less measured, is so counted where it does harm and nowhere else. Penalties whose picks cost
    within one standard error of the least are equal, and among these the one nearest to
    the usual 0.05 is chosen.

    Picks are of runs that were made, so the estimate says little of regions where no run is.

    Args:
        fit: returns a law, of costs, that is fitted to some of the rows.
        features: N runs.
        costs: [N] values, best when small.
        divergences: [N] KL of the doses from the prior's, nats.
        seed: names the halves.
    """
    spread = float(np.std(costs))
    if len(costs) < _FEWEST_ROWS or spread == 0:
        nothing = np.full(len(GRID), np.nan)
        return Choice(penalty=USUAL, grid=GRID, costs=nothing, optimism=nothing, errors=nothing)
    rng = seeds.generator(seed, "penalty")
    measured, promised = [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(costs))
        for known in (order[: len(order) // 2], order[len(order) // 2 :]):
            held = np.setdiff1d(order, known)
            said = fit(known).predict(features.rows(held))
            picks = _picks(said.mean + DEFAULT_CAUTION * said.deviation, divergences[held], spread)
            measured.append(costs[held][picks].mean(axis=1))
            promised.append(said.mean[picks].mean(axis=1))
    return _chosen(np.array(measured), np.array(promised), float(costs.mean()), spread)


def _picks(worth: Vector, divergences: Vector, spread: float) -> NDArray[np.int64]:
    """Return the rows that every penalty picks; [G, picks]."""
    restrained = worth + spread * np.array(GRID)[:, None] * divergences
    return np.argsort(restrained, axis=1, kind="stable")[:, :_PICKS]


def _chosen(measured: Matrix, promised: Matrix, middle: float, spread: float) -> Choice:
    """Return the choice from costs [splits, G]."""
    costs = measured.mean(axis=0)
    best = int(costs.argmin())
    errors = (measured - measured[:, [best]]).std(axis=0, ddof=1) / np.sqrt(SPLITS)
    equal = np.flatnonzero(costs <= costs[best] + errors)
    nearest = equal[np.abs(np.log(np.array(GRID)[equal] + 0.01) - np.log(USUAL + 0.01)).argmin()]
    return Choice(
        penalty=GRID[int(nearest)],
        grid=GRID,
        costs=(costs - middle) / spread,
        optimism=(costs - promised.mean(axis=0)) / spread,
        errors=errors / spread,
    )
