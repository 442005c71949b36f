"""Rows of every table: pure functions from what a study holds to numbers, for the page and the CLI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.evaluation.measure import direction_of
from mixopt.evaluation.score import score
from mixopt.report.data import ReportData
from mixopt.schedule.schedule import Schedule
from mixopt.study.ledger import TrialRecord
from mixopt.study.recommendation import (
    RECOMMENDED,
    Comparison,
    LawSummary,
    Recommendation,
    law_summaries,
)
from mixopt.study.results import column


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRow:
    """One trial with the two measures that matter."""

    number: int
    trial: str
    label: str
    num_seeds: int
    failed_seeds: int  # without the objective
    objective: float | None  # mean over seeds
    objective_error: float  # standard error of the mean; seed noise pooled over trials
    contrast: float | None
    contrast_error: float
    tokens: int  # trained on, all seeds
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeCell:
    """One measure of one confirmed schedule."""

    value: float
    standard_error: float  # over seeds; nan for one seed
    num_seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeRow:
    """One measure of all confirmed schedules, in the order of their labels."""

    measure: str
    cells: tuple[OutcomeCell | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonRow:
    """The gain of one confirmed schedule over another; positive is better."""

    measure: str
    left: str
    right: str
    gain: float
    low: float  # of the 95% interval, paired by seed
    high: float
    num_seeds: int
    verdict: str  # better, worse, no different


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalRow:
    """How well a measure tells the trials of the search apart."""

    measure: str
    between: float  # standard deviation of trials, noise removed
    seed: float  # standard deviation of one seed
    per_seed: float  # their ratio
    of_mean: float  # between / standard error of a trial's mean


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRow:
    """How often a schedule repeats a domain at the target."""

    label: str
    domain: str
    tokens: float  # at the target
    supply_tokens: int
    epochs: float
    cap: float  # most epochs allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class CostRow:
    """What one phase of a study cost."""

    phase: str
    trials: int
    runs: int
    tokens: int  # trained on
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightRow:
    """One domain in one stage of a schedule."""

    stage: str
    kind: str
    stage_tokens: int  # at the target
    domain: str
    first: float  # weight at the start of the stage
    last: float  # weight at its end
    mean: float  # share of the stage's tokens


def trial_rows(data: ReportData, records: Sequence[TrialRecord] | None = None) -> list[TrialRow]:
    """Return the trials of the search, or those given, by number."""
    chosen = data.search if records is None else records
    objective = _scores(data.objective, chosen)
    contrast = _scores(data.contrast, chosen)
    nothing = (None, float("nan"))
    rows = []
    for record in chosen:
        value, error = objective.get(record.trial, nothing)
        other, other_error = contrast.get(record.trial, nothing)
        rows.append(
            TrialRow(
                number=record.number,
                trial=record.trial,
                label=record.label,
                num_seeds=len(record.seeds),
                failed_seeds=len(record.seeds) - len(record.measures.get(data.objective, ())),
                objective=value,
                objective_error=error,
                contrast=other,
                contrast_error=other_error,
                tokens=record.tokens,
                cpu_seconds=record.cpu_seconds,
            )
        )
    return rows


def outcome_labels(data: ReportData) -> tuple[str, ...]:
    """Return the labels of the confirmed schedules, the recommended one first."""
    return tuple(record.label for record in data.confirm)


def outcome_rows(data: ReportData) -> list[OutcomeRow]:
    """Return every measure of the confirmed schedules, the objective first."""
    keys = sorted({key for record in data.confirm for key in record.measures})
    keys.sort(key=lambda key: key != data.objective)
    return [
        OutcomeRow(measure=key, cells=tuple(_cell(record, key) for record in data.confirm))
        for key in keys
    ]


def outcome(data: ReportData, label: str, measure: str) -> OutcomeCell | None:
    """Return one measure of one confirmed schedule, or None where there is none."""
    record = data.confirmed(label)
    return None if record is None else _cell(record, measure)


def comparison_rows(
    recommendation: Recommendation | None, left: str = RECOMMENDED
) -> list[ComparisonRow]:
    """Return the comparisons of one schedule with the others, the objective first."""
    if recommendation is None:
        return []
    found = [each for each in recommendation.comparisons if each.left == left]
    found.sort(key=lambda each: (each.measure != recommendation.objective, each.measure))
    return [_comparison(each) for each in found]


def law_rows(data: ReportData) -> Sequence[LawSummary]:
    """Return the scores of all laws: those of the recommendation, else of the law fitted here."""
    if data.recommendation is not None:
        return data.recommendation.laws
    return law_summaries(data.law) if data.law is not None else ()


def signal_rows(records: Sequence[TrialRecord]) -> list[SignalRow]:
    """Return the signal-to-noise ratio of every measure that was replicated, the best first."""
    rows = []
    for key in sorted({key for record in records for key in record.measures}):
        found = column(key, records)
        if len(found.records) > 1 and np.all(found.noise > 0):
            signal = found.signal
            rows.append(
                SignalRow(
                    measure=key,
                    between=signal.between,
                    seed=signal.seed,
                    per_seed=signal.per_seed,
                    of_mean=signal.of_mean,
                )
            )
    return sorted(rows, key=lambda row: -row.of_mean)


def epoch_rows(data: ReportData) -> list[EpochRow]:
    """Return epochs of every domain at the target, for every confirmed schedule."""
    rows = []
    for record in data.confirm:
        schedule = data.schedule(record)
        dose = schedule.dose()
        supply = data.inventory.supply(dose)
        epochs = schedule.epochs(supply)
        rows += [
            EpochRow(
                label=record.label,
                domain=domain,
                tokens=dose[domain],
                supply_tokens=supply[domain],
                epochs=epochs[domain],
                cap=schedule.cap_of(domain),
            )
            for domain in data.inventory.names()
            if domain in dose
        ]
    return rows


def cost_rows(records: Iterable[TrialRecord]) -> list[CostRow]:
    """Return trials, runs, tokens and processor time of each phase and of all together."""
    everything = list(records)
    order = ("scout", "search", "scale", "confirm")
    phases = [phase for phase in order if any(r.phase == phase for r in everything)]
    rows = [_cost(phase, [r for r in everything if r.phase == phase]) for phase in phases]
    return [*rows, _cost("all", everything)]


def weight_rows(schedule: Schedule) -> list[WeightRow]:
    """Return stage by stage the domains of a schedule, the heaviest first."""
    rows = []
    for stage in schedule.stages:
        mean = stage.curve.mean().as_dict()
        if not mean:
            continue  # trains on a proxy's own answers
        ends = stage.curve.weights_at([0.0, 1.0], tuple(mean))
        rows += [
            WeightRow(
                stage=stage.name,
                kind=stage.kind,
                stage_tokens=stage.tokens,
                domain=domain,
                first=float(ends[0, position]),
                last=float(ends[1, position]),
                mean=mean[domain],
            )
            for position, domain in sorted(enumerate(mean), key=lambda pair: -mean[pair[1]])
        ]
    return rows


def best_row(rows: Sequence[TrialRow], objective: str) -> TrialRow | None:
    """Return the trial with the best objective, or None where none has it."""
    sign = 1.0 if direction_of(objective) == "minimize" else -1.0
    having = [(sign * row.objective, row) for row in rows if row.objective is not None]
    return min(having, key=lambda pair: pair[0])[1] if having else None


def best_quarter(values: NDArray[np.float64], measure: str) -> NDArray[np.bool_]:
    """Return which values are in the best quarter, at least three of them; [N] of [N]."""
    costs = values if direction_of(measure) == "minimize" else -values
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(costs, kind="stable")[: max(3, round(len(values) / 4))]] = True
    return chosen


def _scores(key: str | None, records: Sequence[TrialRecord]) -> dict[str, tuple[float, float]]:
    """Return value and standard error by trial, of those that have the measure."""
    if key is None or not any(record.measures.get(key) for record in records):
        return {}
    found = column(key, records)
    return {
        record.trial: (float(value), float(np.sqrt(noise)) if noise > 0 else float("nan"))
        for record, value, noise in zip(found.records, found.values, found.noise, strict=True)
    }


def _cell(record: TrialRecord, key: str) -> OutcomeCell | None:
    values = record.measures.get(key)
    if not values:
        return None
    found = score(values)
    return OutcomeCell(
        value=found.value, standard_error=found.standard_error, num_seeds=found.num_seeds
    )


def _comparison(found: Comparison) -> ComparisonRow:
    return ComparisonRow(**found.model_dump(), verdict=found.verdict)


def _cost(phase: str, records: Sequence[TrialRecord]) -> CostRow:
    return CostRow(
        phase=phase,
        trials=len(records),
        runs=sum(len(record.seeds) for record in records),
        tokens=sum(record.tokens for record in records),
        cpu_seconds=sum(record.cpu_seconds for record in records),
    )
