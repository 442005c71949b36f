"""What each stage gave and took: measures after every stage, and their changes, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.evaluation.score import difference, score
from mixopt.recipes import decode
from mixopt.report.wording import NAMES
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.study.ledger import FigureRecord, TrialRecord

TEXT_LOSS: Final = "bits_per_byte"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """How a measure changed from one stage to a later one, in units of the measure."""

    since: str  # the earlier stage
    value: float  # mean over seeds, later less earlier; its sign says nothing of better or worse
    low: float  # of the 95% interval, paired by seed
    high: float
    num_seeds: int
    verdict: str  # better, worse, no different


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountRow:
    """One measure of one schedule after one stage."""

    label: str
    stage: str
    measure: str  # without stage and subject
    subject: str
    value: float  # mean over seeds
    standard_error: float  # over seeds; nan for one seed
    num_seeds: int
    change: (
        Change | None
    )  # from the nearest stage before that has the measure, of two seeds or more


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgettingRow:
    """How held-out text of one domain changed from the end of pretraining to the end."""

    label: str
    domain: str
    stage: str  # the last that has the measure
    change: Change


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureRow:
    """What one stage of one schedule noted of how it went, over seeds."""

    label: str
    stage: str
    name: str
    value: float  # mean
    standard_error: float  # nan for one seed
    least: float
    most: float
    num_seeds: int


def stage_kinds(record: TrialRecord) -> dict[str, str]:
    """Return stage -> kind of a trial's schedule, in order."""
    recipe = decode.decode(record.recipe, ScheduleRecipe, file=record.trial)
    return {stage.name: stage.kind for stage in recipe.stage}


def account_rows(record: TrialRecord) -> list[AccountRow]:
    """Return all measures of a trial: by measure, subject (the mean first) and stage."""
    places = {stage: number for number, stage in enumerate(stage_kinds(record))}
    keys = [key for key in record.measures if key.split("/", maxsplit=1)[0] in places]
    keys.sort(key=lambda key: _place(key, places))
    rows = []
    before = ""
    for key in keys:
        follows = before.split("/", maxsplit=1)[1:] == key.split("/", maxsplit=1)[1:]
        rows.append(_account(record, key, before if follows else None))
        before = key
    return rows


def forgetting_rows(record: TrialRecord) -> list[ForgettingRow]:
    """Return what became of the text that pretraining learned: less bits are better.

    Empty where no stage after the last `lm` one has the measure.
    """
    kinds = stage_kinds(record)
    learned = [stage for stage, kind in kinds.items() if kind == "lm"][-1]
    later = list(kinds)[list(kinds).index(learned) + 1 :]
    measured = [key.split("/", maxsplit=2) for key in record.measures]
    domains = [
        subject for stage, name, subject in measured if (stage, name) == (learned, TEXT_LOSS)
    ]
    rows = []
    for domain in sorted(domains, key=lambda name: (name != MEAN, name)):
        ends = [stage for stage in later if f"{stage}/{TEXT_LOSS}/{domain}" in record.measures]
        if ends:
            change = change_of(
                record, f"{learned}/{TEXT_LOSS}/{domain}", f"{ends[-1]}/{TEXT_LOSS}/{domain}"
            )
            if change is not None:
                rows.append(
                    ForgettingRow(label=record.label, domain=domain, stage=ends[-1], change=change)
                )
    return rows


def figure_rows(figures: Iterable[FigureRecord], record: TrialRecord) -> list[FigureRow]:
    """Return what the stages of a trial noted, in the order of the stages.

    Values that are no number, of what a run did not come to, are left out.
    """
    places = {stage: number for number, stage in enumerate(stage_kinds(record))}
    values: dict[tuple[str, str], list[float]] = {}
    for figure in figures:
        if figure.trial == record.trial and np.isfinite(figure.value):
            values.setdefault((figure.stage, figure.name), []).append(figure.value)
    rows = []
    for (stage, name), group in values.items():
        scored = score(group)
        rows.append(
            FigureRow(
                label=record.label,
                stage=stage,
                name=name,
                value=scored.value,
                standard_error=scored.standard_error,
                least=float(np.min(group)),
                most=float(np.max(group)),
                num_seeds=scored.num_seeds,
            )
        )
    return sorted(rows, key=lambda row: places.get(row.stage, len(places)))


def change_of(record: TrialRecord, earlier: str, later: str) -> Change | None:
    """Return the change from one measure to another; None without two seeds that have both."""
    before, after = record.by_seed(earlier), record.by_seed(later)
    common = sorted(before.keys() & after.keys())
    if len(common) < 2:
        return None
    found = difference([after[seed] for seed in common], [before[seed] for seed in common])
    return Change(
        since=earlier.split("/", maxsplit=1)[0],
        value=found.value,
        low=found.low,
        high=found.high,
        num_seeds=found.num_seeds,
        verdict=_verdict(found.low, found.high, later),
    )


def measures_of(rows: Sequence[AccountRow]) -> list[tuple[str, str]]:
    """Return every measure and subject of some rows, in their order."""
    return list(dict.fromkeys((row.measure, row.subject) for row in rows))


def _account(record: TrialRecord, key: str, before: str | None) -> AccountRow:
    stage, measure, subject = key.split("/", maxsplit=2)
    scored = score(record.measures[key])
    return AccountRow(
        label=record.label,
        stage=stage,
        measure=measure,
        subject=subject,
        value=scored.value,
        standard_error=scored.standard_error,
        num_seeds=scored.num_seeds,
        change=None if before is None else change_of(record, before, key),
    )


def _place(key: str, places: dict[str, int]) -> tuple[int, str, bool, str, int]:
    stage, name, subject = key.split("/", maxsplit=2)
    known = list(NAMES)
    rank = known.index(name) if name in known else len(known)
    return rank, name, subject != MEAN, subject, places[stage]


def _verdict(low: float, high: float, key: str) -> str:
    rises = direction_of(key) == "maximize"
    if low > 0:
        return "better" if rises else "worse"
    if high < 0:
        return "worse" if rises else "better"
    return "no different"
