"""Where the points of the search come from: baselines, a space-filling design, then a sampler."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from scipy.stats import qmc

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.space import Coordinate, Values
from mixopt.study.recipe import SamplerName, StudySettings
from mixopt.study.results import law_of, restraint_of
from mixopt.study.setup import StudySetup
from mixopt.surrogate.batch import propose_batch
from mixopt.surrogate.fit import FEWEST_ROWS


def distributions(
    coordinates: tuple[Coordinate, ...],
) -> dict[str, optuna.distributions.FloatDistribution]:
    """Return the coordinates of a space as Optuna knows them."""
    return {
        found.name: optuna.distributions.FloatDistribution(found.low, found.high, log=found.log)
        for found in coordinates
    }


def planned_points(setup: StudySetup, numbers: range) -> dict[int, tuple[str, Values]]:
    """Return label and point of those trials whose point mixopt chooses itself.

    The first are the baselines, then comes the design, then, with the law-guided sampler, what
    the laws of all earlier batches propose; more of the design where no law can be fitted. A point depends on the study, its number and the
    results of earlier batches only, so a study that was killed goes on as if it had not been.

    Args:
        setup: the study.
        numbers: of one batch.
    """
    settings = setup.settings
    points: dict[int, tuple[str, Values]] = {}
    for number in numbers:
        if number < len(BASELINES):
            name = tuple(BASELINES)[number]
            points[number] = (name, setup.space.baseline(name))
        elif number < settings.design or numbers.start < _fewest_results(settings):
            points[number] = ("design", _shared(setup, number, _design_point))
        elif settings.sampler == "random":
            points[number] = ("random", _shared(setup, number, _random_point))
    rest = [number for number in numbers if number not in points]
    if rest and settings.sampler == "law":
        try:
            proposals = _law_points(setup, numbers.start, len(rest))
        except LawError:
            design = {number: ("design", _shared(setup, number, _design_point)) for number in rest}
            return points | design
        points |= {number: ("law", point) for number, point in zip(rest, proposals, strict=True)}
    return points


def make_sampler(
    name: SamplerName, seed: int, fixed: Values | None = None
) -> optuna.samplers.BaseSampler:
    """Return the Optuna sampler of one trial; it is asked only for points that are not planned.

    Args:
        name: of the sampler.
        seed: of the trial.
        fixed: coordinates that the trial shares with the one before it.
    """
    if name != "tpe":
        return optuna.samplers.RandomSampler(seed=seed)
    free = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0
    )
    if not fixed:
        return free
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.PartialFixedSampler(dict(fixed), free)


def leader_of(number: int, share: int) -> int:
    """Return the trial whose first stages a trial of the search has; itself where it leads.

    Every `share` trials after the baselines begin alike; what laws propose is grouped likewise,
    from the first proposal of a batch.
    """
    first = len(BASELINES)
    return number if number < first else number - (number - first) % share


def _fewest_results(settings: StudySettings) -> float:
    """Return how many trials earlier batches must have for the sampler to start from."""
    return {"sobol": math.inf, "law": FEWEST_ROWS, "tpe": 1, "random": 0}[settings.sampler]


def _random_point(setup: StudySetup, number: int) -> Values:
    rng = seeds.generator(setup.key("random"), number)
    return {found.name: found.outward(rng.random()) for found in setup.space.coordinates()}


def _shared(
    setup: StudySetup, number: int, point_of: Callable[[StudySetup, int], Values]
) -> Values:
    """Return a point of its own, but for the beginning, which is that of its group's leader."""
    leader = point_of(setup, leader_of(number, setup.settings.share))
    prefix = setup.space.prefix_coordinates()
    own = point_of(setup, number)
    return {name: leader[name] if name in prefix else value for name, value in own.items()}


def _design_point(setup: StudySetup, number: int) -> Values:
    """Return one point of a scrambled Sobol sequence (Owen, 1998) over the box."""
    coordinates = setup.space.coordinates()
    engine = qmc.Sobol(len(coordinates), rng=np.random.default_rng(setup.key("design")))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # balance needs powers of two; we stop anywhere
        cube = engine.fast_forward(number).random(1)[0]
    return {found.name: found.outward(float(u)) for found, u in zip(coordinates, cube, strict=True)}


def _law_points(setup: StudySetup, first: int, count: int) -> list[Values]:
    records = [record for record in setup.ledger.records("search") if record.number < first]
    seed = setup.key("law", first)
    law = law_of(setup.settings.objective, records, setup.space, seed=seed)
    restraint = restraint_of(setup.settings, records, setup.space, seed=seed)
    share = setup.settings.share
    proposals = propose_batch(law, setup.space, count, restraint=restraint, seed=seed, share=share)
    return [proposal.point for proposal in proposals]
