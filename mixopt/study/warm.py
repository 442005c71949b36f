"""Warm starts: what the trials of earlier studies teach about the measures of a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.catalog.recipe import Schema
from mixopt.errors import LawError, StudyError
from mixopt.evaluation.measure import direction_of
from mixopt.recipes import decode
from mixopt.schedule.recipe import ScheduleRecipe, schema_of
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.change import Change, read_change, translated
from mixopt.study.ledger import FILE, Ledger, TrialRecord
from mixopt.study.past import Study
from mixopt.study.results import column
from mixopt.surrogate.features import Features, schedule_features
from mixopt.surrogate.fitting.fit import fit_measure
from mixopt.surrogate.laws.law import FittedLaw, Law, Prediction
from mixopt.surrogate.scaling.transfer import Transferred

_MOST_LOST: Final = 0.5  # share of the tokens of a trial that may be of domains that are gone
_ENDLESS: Final = 10**18  # tokens: what an earlier schedule could be run with is not asked again


@dataclass(frozen=True, kw_only=True, slots=True)
class Unset:
    """A law of mixtures and sizes alone; settings differ from study to study."""

    fitted: FittedLaw

    def predict(self, features: Features) -> Prediction:
        """Return the prediction for every row."""
        return self.fitted.predict(_bare(features))


def warm_laws(setup: Study, key: str) -> dict[str, Law]:
    """Return what every earlier study taught about a measure, to be calibrated by new trials.

    Its law is fitted to its own trials, told in terms of the new study's domains: a domain that it
    did not have was never drawn from. Studies that lack the measure, or have too few trials of it,
    teach nothing about it.

    Args:
        setup: the new study.
        key: of the measure.

    Raises:
        StudyError: see `check_warm`.
    """
    found: dict[str, Law] = {}
    for number, folder in enumerate(setup.settings.warm):
        records = [record for record in _records(folder) if record.measures.get(key)]
        if not records:
            continue
        features, kept = _features(setup, folder, records)
        measured = column(key, [records[row] for row in kept])
        seed = setup.key("warm", number, key)
        values, noise = measured.values, measured.noise
        try:
            law = fit_measure(key, direction_of(key), features, values, noise, seed=seed)
        except LawError:
            continue
        name = f"earlier:{Path(folder).name}"
        found[name] = Transferred(source=Unset(fitted=law.fitted), name=name)
    return found


def check_warm(setup: Study) -> None:
    """Raise unless every earlier study can inform this one.

    Raises:
        StudyError: a folder is no study or has no trials, its lm stages have other names, or it
            has no domain in common with the catalog.
    """
    for folder in setup.settings.warm:
        _features(setup, folder, _records(folder))


def _records(folder: str) -> list[TrialRecord]:
    if not (Path(folder) / FILE).is_file():
        what = f"{folder} is no study to start from"
        raise StudyError(
            what,
            why=f"It has no {FILE}.",
            remedy="Name folders of studies in `warm`, as seen from the working directory.",
        )
    records = [record for record in Ledger(Path(folder)).records("search") if record.seeds]
    if not records:
        what = f"{folder} has no finished trial to start from"
        raise StudyError(what, remedy="Run it first, or take it out of `warm`.")
    return records


def _features(
    setup: Study, folder: str, records: Sequence[TrialRecord]
) -> tuple[Features, list[int]]:
    """Return earlier trials over the new domains, and which of them they are."""
    schedules = [_schedule(record) for record in records]
    used = {name for schedule in schedules for name in schedule.dose("lm")}
    inventory = setup.space.inventory
    new = inventory.names("text")
    change = read_change(setup.folder) or Change(kept=())
    known = {*new, *change.split, *(n for names in change.merged.values() for n in names)}
    if not used & known:
        what = f"{folder} has no domain in common with catalog '{inventory.catalog}'"
        why = f"It has {', '.join(sorted(used))}; the catalog has {', '.join(new)}."
        raise StudyError(what, why=why, remedy="Take it out of `warm`.")
    stages = tuple(stage.name for stage in setup.recipe.stage if stage.kind == "lm")
    old = tuple(stage.name for stage in schedules[0].stages if stage.kind == "lm")
    if stages != old:
        what = f"{folder} has other lm stages than '{setup.recipe.name}'"
        why = f"It has {', '.join(old)}; the study has {', '.join(stages)}."
        raise StudyError(what, why=why, remedy="Give stages the same names, or leave it out.")
    kept = [row for row, schedule in enumerate(schedules) if _is_known(schedule, known)]
    if not kept:
        what = f"the trials of {folder} drew nearly all tokens from domains that are gone"
        raise StudyError(what, remedy="Take it out of `warm`.")
    features = schedule_features([schedules[row] for row in kept], tuple(sorted(used)))
    return _bare(translated(features, change, inventory).features), kept


def _is_known(schedule: Schedule, known: set[str]) -> bool:
    """Return whether every lm stage draws mostly from domains that are known."""
    mixtures = [stage.curve.mean().as_dict() for stage in schedule.stages if stage.kind == "lm"]
    shares = [sum(share for name, share in each.items() if name in known) for each in mixtures]
    return min(shares) > 1 - _MOST_LOST


def _bare(features: Features) -> Features:
    """Return features without settings and groups."""
    return replace(features, settings=(), numbers=np.zeros((features.num_rows, 0)), groups=())


def _schedule(record: TrialRecord) -> Schedule:
    """Return the schedule of a trial of a study whose catalog need not be there any more."""
    recipe = decode.decode(record.recipe, ScheduleRecipe, file=record.trial)
    inventory = Inventory(catalog="", tokenizer="", content_hash="", domains=_domains(recipe))
    return Space(recipe=recipe, inventory=inventory).resolve({})


def _domains(recipe: ScheduleRecipe) -> tuple[DomainSupply, ...]:
    schemas: dict[str, Schema] = {}
    for stage in recipe.stage:
        sources = [stage] if stage.curve is None else getattr(stage.curve, "knots", [])
        for source in sources:
            names = source.mixture if isinstance(source.mixture, dict) else {}
            schemas |= dict.fromkeys(names, schema_of(stage.kind))
    return tuple(
        DomainSupply(
            name=name,
            provenance="organic",
            schema=schema,
            licence="",
            supply_tokens=_ENDLESS,
            sample_tokens=0,
            documents=0,
            num_bytes=0,
            content_hash="",
        )
        for name, schema in schemas.items()
    )
