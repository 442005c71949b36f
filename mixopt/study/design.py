"""The design: trials that fill the space before a sampler knows anything."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from mixopt import seeds
from mixopt.schedule.space import Values
from mixopt.study.setup import StudySetup

_LEAST_KEPT = 2
_LEAST_DESIGN = 8


def design_size(setup: StudySetup) -> int:
    """Return how many trials come before the sampler takes over.

    Three for every open weight are enough for a law of m of them (Olmix, arXiv 2602.12237,
    section 4.1); `auto` keeps half of the trials for the sampler.
    """
    settings = setup.settings
    if settings.design != "auto":
        return settings.design
    weights = sum(".mixture." in f".{found.name}" for found in setup.space.coordinates())
    return max(_LEAST_DESIGN, min(3 * (weights + 1), settings.trials // 2))


def design_point(setup: StudySetup, number: int) -> Values:
    """Return the point of one trial of the design.

    A dense design is a scrambled Sobol sequence (Owen, 1998) over the box, whose mixtures are
    Dirichlet draws around the priors. A sparse one is the same, but every free mixture keeps only
    some of its M weights, about the root of M, and the others are at their least: trials then
    tell domains apart that a dense mixture always mixes. Which are kept goes round, so that none
    is left out for long.

    Args:
        setup: the study.
        number: of the trial.
    """
    coordinates = setup.space.coordinates()
    engine = qmc.Sobol(len(coordinates), rng=np.random.default_rng(setup.key("design")))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # balance needs powers of two; we stop anywhere
        cube = engine.fast_forward(number).random(1)[0]
    if setup.settings.design_kind == "sparse":
        for name, columns in _mixtures(tuple(found.name for found in coordinates)).items():
            kept = kept_weights(len(columns) + 1, number, setup.key("sparse", name))
            cube[columns] = _sparse(cube[columns], kept)
    return {found.name: found.outward(float(u)) for found, u in zip(coordinates, cube, strict=True)}


def kept_weights(count: int, number: int, seed: int) -> NDArray[np.int64]:
    """Return which of `count` weights a trial keeps; consecutive trials go through all of them.

    Args:
        count: of weights, M.
        number: of the trial.
        seed: names the order.
    """
    kept = max(_LEAST_KEPT, round(float(np.sqrt(count))))
    per_round = -(-count // kept)
    order = seeds.generator(seed, number // per_round).permutation(count)
    first = (number % per_round) * kept
    return np.sort(np.take(order, range(first, first + kept), mode="wrap"))


def _mixtures(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the columns of every free mixture by its name."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        mixture, _, _ = name.rpartition(".")
        if mixture.endswith("mixture"):
            found.setdefault(mixture, []).append(column)
    return found


def _sparse(cube: NDArray[np.float64], kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a point of the cube whose other weights are zero; [M - 1].

    Coordinates break a stick: at 0 a weight takes nothing of what is left, at 1 all of it.
    """
    found = np.zeros_like(cube)
    inner = kept[kept < len(cube)]
    found[inner] = cube[inner]
    if len(inner) == len(kept):  # the last weight, which takes the rest, is not kept
        found[inner[-1]] = 1.0
    return found
