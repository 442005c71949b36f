"""From the ledger to numbers: values of a measure over trials, with their noise, as laws want them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError, StudyError
from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.evaluation.score import SignalToNoise, seed_variance, signal_to_noise
from mixopt.recipes import decode
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.ledger import TrialRecord
from mixopt.study.recipe import StudySettings
from mixopt.surrogate.features import Features, point_features
from mixopt.surrogate.fitting.fit import MeasureLaw, combine_measures, fit_measure, fit_runs
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.noise import smoothed_noise
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.optimism import penalty_for
from mixopt.surrogate.runs import Runs

Families = Callable[[str], Mapping[str, Law]]


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


def _plain(_key: str) -> Mapping[str, Law]:
    return LAWS


def law_of(
    key: str,
    records: Sequence[TrialRecord],
    space: Space,
    *,
    seed: int,
    families: Families = _plain,
) -> MeasureLaw:
    """Fit the laws of a measure to trials of one proxy, and stack them.

    A mean over domains or task families is predicted as the mean of its subjects, each by laws of
    its own, where all trials have them: that takes fewer trials than the mean directly, in which
    what is good for one subject and bad for another cancels.

    Args:
        key: of the measure.
        records: the trials.
        space: where they lie.
        seed: names folds and starts.
        families: of laws, by measure.

    Raises:
        StudyError: no trial has the measure.
        LawError: there are too few trials, or they do not differ.
    """
    plain = column(key, records)
    features = features_of(plain.records, space)
    found = _with_noise(plain, features)
    parts = [_with_noise(part, features) for part in _parts(found)]
    if not parts:
        return _fit(found, features, seed, families)
    try:
        laws = _fit_parts(parts, features, seed, families)
        shares = [1 / len(laws)] * len(laws)
        return combine_measures(laws, shares, measure=key, direction=direction_of(key))
    except LawError:  # a subject that nothing moves has no law of its own
        return _fit(found, features, seed, families)


def _with_noise(found: Column, features: Features) -> Column:
    """Return the measure with noise that depends on the trial: on its level and its doses."""
    groups = [record.measures[found.key] for record in found.records]
    return replace(found, noise=smoothed_noise(groups, features))


def _fit(found: Column, features: Features, seed: int, families: Families) -> MeasureLaw:
    direction, laws = direction_of(found.key), families(found.key)
    return fit_measure(
        found.key, direction, features, found.values, found.noise, seed=seed, laws=laws
    )


def _fit_parts(
    parts: Sequence[Column], features: Features, seed: int, families: Families
) -> list[MeasureLaw]:
    """Fit one law per measure; laws of several measures join where no other runs inform them."""
    if any(families(part.key) is not LAWS for part in parts):
        return [_fit(part, features, seed, families) for part in parts]
    runs = Runs(
        names=tuple(record.trial for record in parts[0].records),
        features=features,
        measures=tuple(part.key for part in parts),
        directions=tuple(direction_of(part.key) for part in parts),
        values=np.stack([part.values for part in parts], axis=1),
        noise=np.stack([part.noise for part in parts], axis=1),
    )
    return list(fit_runs(runs, seed=seed).values())


def _parts(found: Column) -> list[Column]:
    """Return the measures that one is the mean of; none where it is no mean or they are not known."""
    stem, _, subject = found.key.rpartition("/")
    if subject != MEAN:
        return []
    shared = set.intersection(*(set(record.measures) for record in found.records))
    keys = sorted(k for k in shared if k.rpartition("/")[0] == stem and k != found.key)
    parts = [column(key, found.records) for key in keys if "@" not in key]
    if len(parts) < 2 or any(np.ptp(part.values) == 0 for part in parts):
        return []
    means = np.mean([part.values for part in parts], axis=0)
    return parts if np.allclose(means, found.values, rtol=1e-6, atol=1e-9) else []


def restraint_of(
    law: MeasureLaw,
    settings: StudySettings,
    records: Sequence[TrialRecord],
    space: Space,
    *,
    seed: int,
    families: Families = _plain,
) -> Restraint:
    """Return what holds the proposals of a law back: the penalty and the guardrails' laws.

    Args:
        law: of the objective.
        settings: that name penalty and guardrails.
        records: the trials that the law was fitted to.
        space: where they lie.
        seed: names folds, starts and halves.
        families: of the guardrails' laws, by measure.

    Raises:
        StudyError: no trial has one of the guardrails.
        LawError: there are too few trials, or they do not differ.
    """
    guards = (
        law_of(key, records, space, seed=seed, families=families) for key in settings.guardrails
    )
    penalty = penalty_of(law, settings, records, space, seed=seed)
    return Restraint(penalty=penalty, guards=tuple(guards))


def penalty_of(
    law: MeasureLaw,
    settings: StudySettings,
    records: Sequence[TrialRecord],
    space: Space,
    *,
    seed: int,
) -> float:
    """Return the penalty on divergence from the prior; chosen by the trials where it is `auto`."""
    if settings.penalty != "auto":
        return settings.penalty
    features = features_of(column(law.measure, records).records, space).rows(law.rows)
    return penalty_for(law, features, space, seed=seed).penalty
