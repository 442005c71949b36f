"""From the ledger to numbers: values of a measure over trials, with their noise, as laws want them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import StudyError
from mixopt.evaluation.measure import direction_of
from mixopt.evaluation.score import SignalToNoise, seed_variance, signal_to_noise
from mixopt.recipes import decode
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.ledger import TrialRecord
from mixopt.study.recipe import StudySettings
from mixopt.surrogate.exploration import Restraint
from mixopt.surrogate.features import Features, point_features
from mixopt.surrogate.fit import MeasureLaw, fit_measure


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One measure over the trials that have it."""

    key: str
    records: tuple[TrialRecord, ...]  # N
    values: NDArray[np.float64]  # [N] means over seeds
    noise: NDArray[np.float64]  # [N] variances of these means

    @property
    def signal(self) -> SignalToNoise:
        """How well the measure tells the trials apart."""
        return signal_to_noise([record.measures[self.key] for record in self.records])


def schedule_of(record: TrialRecord, space: Space) -> Schedule:
    """Return the schedule of a trial, read back from its recipe."""
    recipe = decode.decode(record.recipe, ScheduleRecipe, file=record.trial)
    return Space(recipe=recipe, inventory=space.inventory).resolve({})


def column(key: str, records: Sequence[TrialRecord]) -> Column:
    """Return a measure over trials; the noise of one seed is pooled over all of them.

    Raises:
        StudyError: no trial has the measure; names those there are.
    """
    having = tuple(record for record in records if record.measures.get(key))
    if not having:
        known = sorted({name for record in records for name in record.measures})
        what = f"no finished trial has the measure '{key}'"
        raise StudyError(
            what,
            why=f"Measures: {', '.join(known) or 'none'}.",
            remedy="Name one of these in [study], or run more trials.",
        )
    groups = [record.measures[key] for record in having]
    pooled = seed_variance(groups)
    each = [0.0 if math.isnan(pooled) else pooled / len(group) for group in groups]
    means = [float(np.mean(group)) for group in groups]
    return Column(key=key, records=having, values=np.array(means), noise=np.array(each))


def features_of(records: Sequence[TrialRecord], space: Space) -> Features:
    """Return the features of trials, over the catalog's text domains."""
    schedules = [schedule_of(record, space) for record in records]
    points = [json.loads(record.point) for record in records]
    return point_features(space, schedules, points, space.inventory.names("text"))


def law_of(key: str, records: Sequence[TrialRecord], space: Space, *, seed: int) -> MeasureLaw:
    """Fit the laws of a measure to the trials of the search and keep the best.

    Raises:
        StudyError: no trial has the measure.
        LawError: there are too few trials, or they do not differ.
    """
    found = column(key, records)
    return fit_measure(
        key,
        direction_of(key),
        features_of(found.records, space),
        found.values,
        found.noise,
        seed=seed,
    )


def restraint_of(
    settings: StudySettings, records: Sequence[TrialRecord], space: Space, *, seed: int
) -> Restraint:
    """Return what holds the proposals for the objective back: the penalty and the guardrails' laws.

    Raises:
        StudyError: no trial has one of the guardrails.
        LawError: there are too few trials, or they do not differ.
    """
    guards = (law_of(key, records, space, seed=seed) for key in settings.guardrails)
    return Restraint(penalty=settings.penalty, guards=tuple(guards))
