"""Where the points of the search come from: baselines, a space-filling design, then a sampler."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial

from mixopt import seeds
from mixopt.errors import LawError
from mixopt.evaluation.measure import direction_of
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.space import Coordinate, Values
from mixopt.study.design import design_point, design_size
from mixopt.study.recipe import SamplerName, StudySettings
from mixopt.study.setup import StudySetup
from mixopt.study.worth import ACQUISITIONS, law_batch
from mixopt.surrogate.fitting.fit import FEWEST_ROWS
from mixopt.surrogate.proposing.batch import Batch

_FREE: Final[Mapping[SamplerName, Callable[[int], optuna.samplers.BaseSampler]]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0
    ),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=0),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=_POPULATION),
}
NOTES: Final = "notes"  # under which a trial keeps what its sampler noted
_POPULATION = 16  # of a generation of NSGA-II


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """Where a trial of the search lies, and where that came from.

    Attributes:
        label: baseline, `design` or the sampler's name.
        point: coordinate name -> value.
        notes: what the sampler wants to find again with the trial.
    """

    label: str
    point: Values
    notes: Mapping[str, Any] = field(default_factory=dict)


def planned_points(
    setup: StudySetup,
    numbers: range,
    told: Sequence[FrozenTrial],
    ahead: Batch | None = None,
) -> dict[int, Planned]:
    """Return the points of a batch.

    The first are the baselines, then comes the design, then what the sampler chooses; more of the
    design where it cannot choose yet. A point depends on the study, its number and the results of
    earlier batches only, so a study that was killed goes on as if it had not been.

    Args:
        setup: the study.
        numbers: of the batch.
        told: all trials of earlier batches as Optuna knows them.
        ahead: what `worth.look_ahead` found for the batch, if it was asked.
    """
    settings = setup.settings
    points = {number: found for number in numbers if (found := _fixed(setup, number, numbers))}
    rest = [number for number in numbers if number not in points]
    if not rest:
        return points
    if settings.sampler not in ACQUISITIONS:
        return points | suggested(setup, rest, told, points)
    try:
        proposals = (ahead or law_batch(setup, numbers.start, len(rest))).proposals
    except LawError:
        return points | {number: _of_design(setup, number) for number in rest}
    for number, proposal in zip(rest, proposals, strict=False):
        points[number] = Planned(label=settings.sampler, point=proposal.point)
    return points | {n: _of_design(setup, n) for n in rest[len(proposals) :]}


def suggested(
    setup: StudySetup,
    numbers: Sequence[int],
    told: Sequence[FrozenTrial],
    pending: Mapping[int, Planned],
) -> dict[int, Planned]:
    """Return the points that a sampler of Optuna chooses.

    It is asked in a study in memory that holds the trials of earlier batches with the sampler's
    own notes, so that neither a restart nor what ran meanwhile changes its answers.

    Args:
        setup: the study.
        numbers: of the trials; they end their batch.
        told: all trials of earlier batches.
        pending: the trials of the batch before them.
    """
    with quiet(optuna.logging.ERROR):
        return _suggested(setup, numbers, told, pending)


@contextmanager
def quiet(level: int = optuna.logging.WARNING) -> Iterator[None]:
    """Leave the narration to the console: Optuna says nothing below a level."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(level)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _suggested(
    setup: StudySetup,
    numbers: Sequence[int],
    told: Sequence[FrozenTrial],
    pending: Mapping[int, Planned],
) -> dict[int, Planned]:
    box = distributions(setup.space.coordinates())
    memory = optuna.create_study(direction=direction_of(setup.settings.objective))
    for trial in told:
        memory.add_trial(_with_notes(trial))
    points = dict(pending)
    for number in sorted(pending):
        memory.enqueue_trial(dict(pending[number].point))
        memory.ask(box)
    for number in numbers:
        seed = setup.key("sampler", number) % 2**32
        common = _common(setup, number, told, points)
        memory.sampler = make_sampler(setup.settings.sampler, seed, common)
        asked = memory.ask(box)
        notes = asked.storage.get_trial_system_attrs(asked._trial_id)  # noqa: SLF001 - no public way to them
        points[number] = Planned(label=setup.settings.sampler, point=asked.params, notes=notes)
    return {number: points[number] for number in numbers}


def distributions(
    coordinates: tuple[Coordinate, ...],
) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the coordinates of a space as Optuna knows them."""
    return {
        found.name: optuna.distributions.FloatDistribution(found.low, found.high, log=found.log)
        for found in coordinates
    }


def make_sampler(
    name: SamplerName, seed: int, fixed: Values | None = None
) -> optuna.samplers.BaseSampler:
    """Return the Optuna sampler of one trial.

    NSGA-II is given one objective, for which it is a genetic algorithm whose generations are
    counted over finished trials.

    Args:
        name: of a sampler of Optuna.
        seed: of the trial.
        fixed: coordinates that the trial shares with the one before it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        free = _FREE[name](seed)
        return optuna.samplers.PartialFixedSampler(dict(fixed), free) if fixed else free


def leader_of(number: int, share: int) -> int:
    """Return the trial whose first stages a trial of the search has; itself where it leads.

    Every `share` trials after the baselines begin alike; what laws propose is grouped likewise,
    from the first proposal of a batch.
    """
    first = len(BASELINES)
    return number if number < first else number - (number - first) % share


def _fewest_results(settings: StudySettings) -> float:
    """Return how many trials earlier batches must have for the sampler to start from."""
    if settings.sampler in ACQUISITIONS:
        return FEWEST_ROWS
    return math.inf if settings.sampler == "sobol" else float(settings.sampler in _FREE)


def _fixed(setup: StudySetup, number: int, numbers: range) -> Planned | None:
    """Return a point that does not depend on results; None where the sampler chooses."""
    if number < len(BASELINES):
        name = tuple(BASELINES)[number]
        return Planned(label=name, point=setup.space.baseline(name))
    if number < design_size(setup) or numbers.start < _fewest_results(setup.settings):
        return _of_design(setup, number)
    if setup.settings.sampler == "random":
        return Planned(label="random", point=_shared(setup, number, _random_point))
    return None


def _of_design(setup: StudySetup, number: int) -> Planned:
    return Planned(label="design", point=_shared(setup, number, design_point))


def _with_notes(trial: FrozenTrial) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=trial.state,
        value=trial.value,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=trial.user_attrs.get(NOTES, {}),
    )


def _common(
    setup: StudySetup,
    number: int,
    told: Sequence[FrozenTrial],
    points: Mapping[int, Planned],
) -> Values | None:
    """Return the coordinates that a trial has in common with an earlier one, whose start it shares."""
    leader = leader_of(number, setup.settings.share)
    if leader == number:
        return None
    point = points[leader].point if leader in points else told[leader].params
    return {name: point[name] for name in setup.space.prefix_coordinates()}


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
