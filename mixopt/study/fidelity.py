"""Scouts and larger runs: parts of a study on other proxies, trained before its search and after it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import qmc

from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space, Values
from mixopt.study.engines.engine import Engine
from mixopt.study.ledger import ProxyRecord, TrialRecord
from mixopt.study.results import law_of, restraint_of, schedule_of
from mixopt.study.rung import Rung, RungPhase, check_rungs, num_parameters
from mixopt.study.scouts import families_of
from mixopt.study.setup import StudySetup
from mixopt.study.trial import Trial, rung_trial
from mixopt.surrogate.features import point_features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.proposing.propose import propose
from mixopt.surrogate.scaling.informative import choose_informative
from mixopt.training.runs import OnProgress

OPTIMUM: Final = "optimum"  # label of the schedule that the search's law thinks best


def check(setup: StudySetup) -> None:
    """Raise for a rung that could not be trained, and note the proxies of the study.

    Raises:
        StudyError: see `rung.check_rungs`.
    """
    if not setup.rungs:
        return
    natural = setup.space.resolve(setup.space.baseline("natural"))
    check_rungs(setup.rungs, setup.proxy, setup.store, natural)
    proxies = [("search", setup.proxy), *((rung.phase, rung.proxy) for rung in setup.rungs)]
    setup.ledger.add_proxies(
        [
            ProxyRecord(
                proxy=proxy.name,
                phase=phase,
                parameters=num_parameters(proxy, setup.store),
                lm_tokens=proxy.training.lm_tokens,
            )
            for phase, proxy in proxies
        ]
    )


def run_rungs(
    setup: StudySetup, phase: RungPhase, engine: Engine, on_progress: OnProgress
) -> list[TrialRecord]:
    """Run what is missing of the scouts, or of the larger runs; these ask for a finished search.

    What a rung trains is decided once and noted, so that it goes on where it was stopped.

    Args:
        setup: the study.
        phase: which of them.
        engine: where lanes are trained.
        on_progress: called with member-steps done since the last call.

    Returns:
        All trials of the phase.

    Raises:
        StudyError: a worker died, or no trial of the search has a measure.
        LawError: the search has too few trials to choose larger runs by.
    """
    for rung in setup.rungs_of(phase):
        trials = trials_of(setup, rung)
        setup.ledger.add_trials(trials)
        engine.run(setup.jobs(trials, engine.workers), setup.ledger.add_results, on_progress)
    return setup.ledger.records(phase)


def remaining_steps(setup: StudySetup, phase: RungPhase) -> int:
    """Return the member-steps that a phase has left, for a progress bar."""
    records = setup.ledger.records(phase) if setup.ledger.path.is_file() else []
    left = 0
    for rung in setup.rungs_of(phase):
        done = sum(len(record.seeds) for record in records if record.proxy == rung.name)
        missing = max(0, rung.trials * rung.seeds - done)
        left += missing * setup.steps_per_member(rung.proxy)
    return left


def trials_of(setup: StudySetup, rung: Rung) -> list[Trial]:
    """Return the trials of a rung: those that are noted, and as many more as it should have.

    Scouts are the baselines and a space-filling design of their own. Larger runs are chosen from
    what was searched, so that they tell most of how measures carry over.
    """
    known = [
        _noted(record, setup.space, rung)
        for record in setup.ledger.records(rung.phase, proxy=rung.name)
    ]
    if len(known) >= rung.trials:
        return known[: rung.trials]
    if rung.phase == "scout":
        return [_scout(setup, rung, number) for number in range(rung.trials)]
    return known + _larger(setup, rung, known)


def _noted(record: TrialRecord, space: Space, rung: Rung) -> Trial:
    placed = schedule_of(record, space), json.loads(record.point)
    return rung_trial(rung.phase, rung.name, record.number, record.label, placed)


def _scout(setup: StudySetup, rung: Rung, number: int) -> Trial:
    names = tuple(BASELINES)
    label = names[number] if number < len(names) else "design"
    point = setup.space.baseline(label) if label in names else _design_point(setup, rung, number)
    placed = setup.space.resolve(point), point
    return rung_trial("scout", rung.name, number, label, placed)


def _design_point(setup: StudySetup, rung: Rung, number: int) -> Values:
    """Return a point of a scrambled Sobol sequence (Owen, 1998) that no other rung has."""
    coordinates = setup.space.coordinates()
    rng = np.random.default_rng(setup.key("design", rung.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # balance needs powers of two
        cube = qmc.Sobol(len(coordinates), rng=rng).fast_forward(number).random(1)[0]
    return {each.name: each.outward(float(u)) for each, u in zip(coordinates, cube, strict=True)}


def _larger(setup: StudySetup, rung: Rung, known: Sequence[Trial]) -> list[Trial]:
    """Return larger runs beside those that are known: natural, the optimum, then the informative."""
    laws = _laws(setup)
    wanted = [_Candidate(each.label, each.schedule, each.point) for each in known]
    wanted += _first(setup, laws[0])
    candidates = {each.schedule.digest: each for each in reversed([*wanted, *_searched(setup)])}
    rows = list(reversed(candidates.values()))
    features = point_features(
        setup.space,
        [each.schedule for each in rows],
        [each.point for each in rows],
        laws[0].domains,
    )
    digests = [each.schedule.digest for each in rows]
    always = list(dict.fromkeys(digests.index(each.schedule.digest) for each in wanted))
    chosen = choose_informative(
        laws,
        features,
        min(rung.trials, len(rows)),
        seed=setup.key("scale", rung.name),
        always=always,
    )
    fresh = [rows[int(row)] for row in chosen[len(known) :]]
    return [
        rung_trial("scale", rung.name, number, each.label, (each.schedule, each.point))
        for number, each in enumerate(fresh, start=len(known))
    ]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A schedule that larger runs may be of."""

    label: str
    schedule: Schedule
    point: Values


def _first(setup: StudySetup, law: MeasureLaw) -> list[_Candidate]:
    """Return natural, and what the law of the objective proposes."""
    natural = setup.space.baseline("natural")
    records = setup.ledger.records("search")
    restraint = restraint_of(
        law,
        setup.settings,
        records,
        setup.space,
        seed=setup.key("fit", law.measure),
        families=families_of(setup),
    )
    found = propose(law, setup.space, restraint=restraint, seed=setup.key("scale", "optimum"))
    return [
        _Candidate("natural", setup.space.resolve(natural), natural),
        _Candidate(OPTIMUM, found.schedule, found.point),
    ]


def _searched(setup: StudySetup) -> list[_Candidate]:
    """Return the schedules of the search, each once, under the name of the trial."""
    found: dict[str, _Candidate] = {}
    for record in setup.ledger.records("search"):
        schedule = schedule_of(record, setup.space)
        candidate = _Candidate(record.trial, schedule, json.loads(record.point))
        found.setdefault(record.schedule_digest, candidate)
    return list(found.values())


def _laws(setup: StudySetup) -> list[MeasureLaw]:
    """Return the laws of all measures that the study goes by, the objective's first."""
    records, settings = setup.ledger.records("search"), setup.settings
    keys = dict.fromkeys((settings.objective, *settings.also, *settings.guardrails))
    families = families_of(setup)
    return [
        law_of(key, records, setup.space, seed=setup.key("fit", key), families=families)
        for key in keys
    ]
