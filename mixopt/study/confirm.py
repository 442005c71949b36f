"""Confirmation: the laws' proposals and the baselines are run again, on seeds that chose nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.evaluation.measure import direction_of
from mixopt.evaluation.score import difference
from mixopt.evaluation.score import score as score_of
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.write import schedule_toml
from mixopt.study.agreement import rung_summaries
from mixopt.study.controls import Control, controls_of
from mixopt.study.engines.engine import Engine
from mixopt.study.ledger import TrialRecord
from mixopt.study.recommendation import (
    RECOMMENDED,
    Comparison,
    Compromise,
    OrderEffect,
    Outcome,
    ProposalSummary,
    Recommendation,
    SignalSummary,
    law_summaries,
    say,
    write_recommendation,
)
from mixopt.study.results import column, law_of, penalty_of, restraint_of
from mixopt.study.scouts import families_of
from mixopt.study.setup import StudySetup
from mixopt.study.trial import Trial, confirm_trial
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.proposing.batch import Wanted, propose_batch
from mixopt.surrogate.proposing.exploration import DEFAULT_RESTRAINT, Restraint
from mixopt.surrogate.proposing.pareto import propose_front
from mixopt.surrogate.proposing.propose import Proposal, propose
from mixopt.training.runs import OnProgress


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """What the law of one measure proposes."""

    label: str
    law: MeasureLaw
    proposal: Proposal
    restraint: Restraint = DEFAULT_RESTRAINT  # that it was found under


def find_optima(setup: StudySetup) -> list[Optimum]:
    """Fit the laws of the objective and of the `also` measures, and find the optimum of each.

    Raises:
        StudyError: no trial has one of the measures.
        LawError: there are too few trials, or they do not differ.
    """
    records = setup.ledger.records("search")
    optima = []
    for key, label in _labels(setup.settings.objective, setup.settings.also).items():
        seed = setup.key("fit", key)
        families = families_of(setup)
        law = law_of(key, records, setup.space, seed=seed, families=families)
        own = penalty_of(law, setup.settings, records, setup.space, seed=seed)
        restraint = Restraint(penalty=own)
        if label == RECOMMENDED:
            restraint = restraint_of(
                law,
                setup.settings,
                records,
                setup.space,
                seed=seed,
                families=families,
            )
        proposal = propose(law, setup.space, restraint=restraint, seed=setup.key("propose", key))
        optima.append(Optimum(label=label, law=law, proposal=proposal, restraint=restraint))
    return optima


def confirmation_trials(setup: StudySetup, optima: Sequence[Optimum]) -> list[Trial]:
    """Return what is run on fresh seeds: the optima, the baselines, and the controls of order."""
    chosen = [
        (found.label, found.proposal.schedule, dict(found.proposal.point)) for found in optima
    ]
    for name in BASELINES:
        point = setup.space.baseline(name)
        chosen.append((name, setup.space.resolve(point), point))
    chosen += [
        (control.label, control.schedule, {})
        for control in _controls(setup, optima[0].proposal.schedule)
    ]
    return [
        confirm_trial(number, label, schedule, point)
        for number, (label, schedule, point) in enumerate(chosen)
    ]


def _controls(setup: StudySetup, schedule: Schedule) -> tuple[Control, ...]:
    return controls_of(schedule, setup.space.inventory.supply(schedule.dose("lm")))


def remaining_steps(setup: StudySetup, trials: Sequence[Trial]) -> int:
    """Return the member-steps that a confirmation has left, for a progress bar."""
    finished = setup.ledger.finished()
    left = [
        seed
        for trial in trials
        for seed in setup.seeds(trial)
        if (trial.name, seed) not in finished
    ]
    return len(left) * setup.steps_per_member()


def confirm(
    setup: StudySetup,
    optima: Sequence[Optimum],
    trials: list[Trial],
    engine: Engine,
    on_progress: OnProgress,
) -> Recommendation:
    """Run what is missing of a confirmation, conclude, and write the recommendation.

    Raises:
        StudyError: a worker died.
    """
    setup.ledger.add_trials(trials)
    engine.run(setup.jobs(trials, engine.workers), setup.ledger.add_results, on_progress)
    records = {record.trial: record for record in setup.ledger.records("confirm")}
    recommendation = _conclude(setup, optima, [records[trial.name] for trial in trials])
    comment = f"{recommendation.sentence}\nStudy {setup.recipe.name}."
    write_recommendation(
        setup.folder,
        recommendation,
        schedule_toml(optima[0].proposal.schedule, comment=comment),
    )
    return recommendation


def _conclude(
    setup: StudySetup, optima: Sequence[Optimum], confirmed: Sequence[TrialRecord]
) -> Recommendation:
    objective = setup.settings.objective
    by_label = {record.label: record for record in confirmed}
    comparisons = _comparisons(by_label)
    against = next(
        (
            found
            for found in comparisons
            if (found.measure, found.left, found.right) == (objective, RECOMMENDED, "natural")
        ),
        None,
    )
    everything = setup.ledger.records()
    return Recommendation(
        study=setup.recipe.name,
        objective=objective,
        direction=direction_of(objective),
        guardrails=setup.settings.guardrails,
        sentence=say(against, objective),
        switch=against is not None and against.verdict == "better",
        proposals=tuple(summary_of(found) for found in optima),
        outcomes=_outcomes(confirmed),
        comparisons=comparisons,
        laws=tuple(row for found in optima for row in law_summaries(found.law)),
        signals=_signals(setup),
        order_effect=_order_effect(
            _controls(setup, optima[0].proposal.schedule), comparisons, objective
        ),
        rungs=rung_summaries(setup, [found.law for found in optima], optima[0].proposal.point),
        front=_front(setup, optima),
        next_worth=_next_worth(setup, optima[0]),
        trials=len(everything),
        runs=sum(len(record.seeds) for record in everything),
        cpu_seconds=sum(record.cpu_seconds for record in everything),
        tokens=sum(record.tokens for record in everything),
    )


def _next_worth(setup: StudySetup, optimum: Optimum) -> float:
    """Return what another batch of the search is expected to gain, in units of the objective."""
    law, settings = optimum.law, setup.settings
    records = setup.ledger.records("search")
    done = tuple(json.loads(each.point) for each in records if each.measures.get(law.measure))
    wanted = Wanted(count=settings.batch, done=done, share=settings.share)
    seed = setup.key("worth", len(records))
    found = propose_batch(law, setup.space, wanted, restraint=optimum.restraint, seed=seed)
    return found.worth


def _comparisons(by_label: dict[str, TrialRecord]) -> tuple[Comparison, ...]:
    """Compare every optimum with every other schedule on every measure that both have whole."""
    lefts = [label for label in by_label if label == RECOMMENDED or label.startswith("best-")]
    return tuple(
        _comparison(by_label[left], by_label[right], key)
        for left in lefts
        for right in by_label
        if right != left
        for key in by_label[left].measures
        if _is_whole(by_label[left], key) and _is_whole(by_label[right], key)
    )


def _order_effect(
    controls: Sequence[Control], comparisons: Sequence[Comparison], objective: str
) -> OrderEffect:
    labels = tuple(control.label for control in controls)
    return OrderEffect(
        controls=labels,
        comparisons=tuple(
            found
            for found in comparisons
            if (found.measure, found.left) == (objective, RECOMMENDED) and found.right in labels
        ),
        notes=tuple(dict.fromkeys(note for control in controls for note in control.notes)),
    )


def _is_whole(record: TrialRecord, key: str) -> bool:
    """Return whether all seeds, at least two, have the measure; else they cannot be paired."""
    return 1 < len(record.seeds) == len(record.measures.get(key, ()))


def _comparison(left: TrialRecord, right: TrialRecord, key: str) -> Comparison:
    sign = 1.0 if direction_of(key) == "maximize" else -1.0
    gains = dict(zip(left.seeds, left.measures[key], strict=True))
    bases = dict(zip(right.seeds, right.measures[key], strict=True))
    common = sorted(gains.keys() & bases.keys())  # all, unless `confirm_seeds` has changed
    found = difference(
        [sign * gains[seed] for seed in common], [sign * bases[seed] for seed in common]
    )
    return Comparison(
        measure=key,
        left=left.label,
        right=right.label,
        gain=found.value,
        low=found.low,
        high=found.high,
        num_seeds=found.num_seeds,
    )


def _outcomes(confirmed: Sequence[TrialRecord]) -> tuple[Outcome, ...]:
    found = []
    for record in confirmed:
        for key, values in record.measures.items():
            scored = score_of(values)
            found.append(
                Outcome(
                    label=record.label,
                    measure=key,
                    value=scored.value,
                    standard_error=scored.standard_error,
                    num_seeds=scored.num_seeds,
                )
            )
    return tuple(found)


def summary_of(found: Optimum) -> ProposalSummary:
    """Return what a recommendation keeps of an optimum."""
    return ProposalSummary(
        label=found.label,
        measure=found.law.measure,
        predicted=found.proposal.mean,
        deviation=found.proposal.deviation,
        divergence=found.proposal.divergence,
        better=None if math.isnan(found.proposal.better) else found.proposal.better,
        guard_risk=dict(found.proposal.guard_risk),
    )


def _front(setup: StudySetup, optima: Sequence[Optimum]) -> tuple[Compromise, ...]:
    """Return compromises between the objective and the measures that are searched for beside it."""
    laws = [found.law for found in optima]
    if len(laws) < 2:
        return ()
    seed = setup.key("front")
    found = propose_front(
        laws, setup.space, restraint=optima[0].restraint, seed=seed, candidates=2048, points=7
    )
    return tuple(
        Compromise(
            knee=place == found.knee,
            predicted=each.predictions,
            deviation=each.deviations,
            mixture=each.schedule.mean_mixture().as_dict(),
        )
        for place, each in enumerate(found.compromises)
    )


def _signals(setup: StudySetup) -> tuple[SignalSummary, ...]:
    """Return the signal-to-noise ratio of every measure of the search that was replicated."""
    records = setup.ledger.records("search")
    keys = sorted({key for record in records for key in record.measures})
    found = []
    for key in keys:
        measured = column(key, records)
        if len(measured.records) < 2 or not np.all(measured.noise > 0):
            continue
        signal = measured.signal
        found.append(
            SignalSummary(
                measure=key,
                between=signal.between,
                seed=signal.seed,
                per_seed=signal.per_seed,
                of_mean=signal.of_mean,
            )
        )
    return tuple(found)


def _labels(objective: str, also: Sequence[str]) -> dict[str, str]:
    """Return measure -> label of its optimum: the stage is named only where it tells two apart."""
    others = [key for key in dict.fromkeys(also) if key != objective]
    short = [_short(key) for key in others]
    labels = {objective: RECOMMENDED}
    for key, name in zip(others, short, strict=True):
        stage = key.split("/")[0]
        labels[key] = f"best-{name}" if short.count(name) == 1 else f"best-{stage}-{name}"
    return labels


def _short(key: str) -> str:
    """Return `bits_per_byte` of `pretrain-2/bits_per_byte/mean`, and the subject unless a mean."""
    _, name, subject = key.split("/")
    return name.replace("_", "-") if subject == "mean" else f"{name.replace('_', '-')}-{subject}"
