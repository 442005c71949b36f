"""What a report is made from: the records, laws and schedules of one study, gathered once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from mixopt import seeds
from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.errors import LawError, StudyError
from mixopt.evaluation.measure import MEAN
from mixopt.recipes import decode
from mixopt.schedule.freeze import Choice
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study import recommendation as conclusions
from mixopt.study.decisions import mean_trajectories
from mixopt.study.ledger import FigureRecord, Ledger, TrialRecord
from mixopt.study.past import PastStudy
from mixopt.study.recipe import StudyRecipe
from mixopt.study.recommendation import RECOMMENDED, Recommendation
from mixopt.study.results import Families, law_of, schedule_of
from mixopt.study.scouts import families_of
from mixopt.surrogate.features import Features, schedule_features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.table import LAWS

ACCOUNTED: Final = (RECOMMENDED, "natural", "uniform")
"""Labels whose stages are accounted for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportData:
    """All that a report shows.

    Attributes:
        study: its name.
        objective: the measure that it optimizes.
        contrast: the measure that the objective is held against, pretraining bits per byte; None
            where there is no other.
        recommendation: what it concludes; None before the confirmation.
        search: its trials, by number.
        confirm: the trials on fresh seeds, one of each label.
        superseded: trials of earlier confirmations, which count for the cost alone.
        others: trials of other proxies, before the search and after it; for the cost alone.
        inventory: what the catalog holds.
        law: of the objective, fitted to the search; None where it cannot be fitted.
        law_missing: why there is no law.
        exports: files that the recommended schedule was exported to.
        figures: what the stages of the trials shown noted of how they went.
        trajectories: mixtures that online policies chose, means over seeds, by trial and stage.
    """

    study: str
    objective: str
    contrast: str | None
    recommendation: Recommendation | None
    search: tuple[TrialRecord, ...]
    confirm: tuple[TrialRecord, ...]
    inventory: Inventory
    superseded: tuple[TrialRecord, ...] = ()
    others: tuple[TrialRecord, ...] = ()
    law: MeasureLaw | None = None
    law_missing: str = ""
    exports: tuple[Path, ...] = ()
    figures: tuple[FigureRecord, ...] = ()
    trajectories: Mapping[str, Mapping[str, tuple[Choice, ...]]] = field(default_factory=dict)

    def schedule(self, record: TrialRecord) -> Schedule:
        """Return the schedule of a trial."""
        return schedule_of(record, _space(record, self.inventory))

    def features(self, records: Sequence[TrialRecord]) -> Features:
        """Return the features of trials over the catalog's text domains."""
        schedules = [self.schedule(record) for record in records]
        return schedule_features(schedules, self.inventory.names("text"))

    def accounted(self) -> tuple[TrialRecord, ...]:
        """Return the trials whose stages are accounted for."""
        return accounted(self.confirm or self.search)

    def confirmed(self, label: str) -> TrialRecord | None:
        """Return the confirmed trial of a label, or None."""
        return next((record for record in self.confirm if record.label == label), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportChoices:
    """What a report shows, where the study does not say.

    Attributes:
        objective: the measure `stage/measure/subject`; None for that of the recommendation, else
            the mean margin, else any mean, else any measure, after the last stage by name.
        contrast: the measure to hold it against; None for the first other measure whose optimum
            was confirmed, else mean bits per byte, if possible after another stage.
        study_seed: of the study's recipe. The law is fitted again, deterministically, with the
            folds of the study where the seed is the same; otherwise its out-of-fold figures
            differ a little from those in the recommendation.
        exports: files that the recommended schedule was exported to.
        recipe: the space of the study; without it the law sees mixtures alone, no settings. That
            of a study also tells which scouts and earlier studies inform the law.
    """

    objective: str | None = None
    contrast: str | None = None
    study_seed: int = 0
    exports: tuple[Path, ...] = ()
    recipe: ScheduleRecipe | None = None


def read_report_data(
    study_folder: Path, catalog_path: Path, choices: ReportChoices | None = None
) -> ReportData:
    """Read a study and fit the law of its objective again.

    Args:
        study_folder: holds the ledger, and the recommendation if there is one.
        catalog_path: the catalog that the study ran on.
        choices: what to show, where the defaults do not fit.

    Raises:
        NotFoundError: there is no ledger or no catalog.
        StudyError: the study has no finished trial, or ran on another catalog.
    """
    inventory = read_inventory(catalog_path)
    return gather(study_folder, inventory, choices or ReportChoices())


def gather(study_folder: Path, inventory: Inventory, choices: ReportChoices) -> ReportData:
    """Return what `read_report_data` does, for a catalog that has been read."""
    ledger = Ledger(study_folder)
    _check_catalog(ledger, inventory)
    concluded = _recommendation(study_folder)
    search = tuple(ledger.records("search"))
    keys = _measured(search)
    if not keys:
        what = f"{study_folder} has no finished trial"
        raise StudyError(what, remedy="Run `mixopt study run` first.")
    objective = choices.objective or _default_objective(keys, concluded)
    fresh = ledger.records("confirm")
    confirm = one_of_each(fresh, concluded)
    recipe = choices.recipe
    space = (
        _space(search[0], inventory)
        if recipe is None
        else Space(recipe=recipe, inventory=inventory)
    )
    law, missing = _law(objective, search, space, _lessons(study_folder, space, choices))
    shown = accounted(confirm or search)
    return ReportData(
        study=concluded.study if concluded else study_folder.resolve().name,
        objective=objective,
        contrast=choices.contrast or _default_contrast(objective, keys, concluded),
        recommendation=concluded,
        search=search,
        confirm=confirm,
        inventory=inventory,
        superseded=tuple(record for record in fresh if record not in confirm),
        others=(*ledger.records("scout"), *ledger.records("scale")),
        law=law,
        law_missing=missing,
        exports=choices.exports,
        figures=_figures(ledger, shown),
        trajectories=_trajectories(ledger, shown),
    )


def accounted(records: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return those of some trials whose stages are accounted for: one of each of a few labels."""
    first = {record.label: record for record in reversed(records) if record.measures}
    return tuple(first[label] for label in ACCOUNTED if label in first)


def one_of_each(
    records: Iterable[TrialRecord], recommendation: Recommendation | None
) -> tuple[TrialRecord, ...]:
    """Return one confirmed trial per label: the one that the recommendation is about.

    A ledger keeps the trials of earlier confirmations too, under the same labels.
    """
    chosen: dict[str, TrialRecord] = {}
    for record in records:
        known = chosen.get(record.label)
        if known is None or not _is_subject(known, recommendation):
            chosen[record.label] = record
    return tuple(chosen.values())


def _figures(ledger: Ledger, shown: Sequence[TrialRecord]) -> tuple[FigureRecord, ...]:
    names = {record.trial for record in shown}
    phases = dict.fromkeys(record.phase for record in shown)
    return tuple(
        figure for phase in phases for figure in ledger.figures(phase) if figure.trial in names
    )


def _trajectories(
    ledger: Ledger, shown: Sequence[TrialRecord]
) -> dict[str, Mapping[str, tuple[Choice, ...]]]:
    found = {record.trial: mean_trajectories(ledger.choices(record.trial)) for record in shown}
    return {trial: stages for trial, stages in found.items() if stages}


def _is_subject(record: TrialRecord, recommendation: Recommendation | None) -> bool:
    if recommendation is None:
        return False
    expected = [found for found in recommendation.outcomes if found.label == record.label]
    return bool(expected) and all(
        np.isclose(np.mean(record.measures.get(found.measure, (np.nan,))), found.value, rtol=1e-9)
        for found in expected
    )


def _check_catalog(ledger: Ledger, inventory: Inventory) -> None:
    known = ledger.identity().get("catalog")
    if known is not None and known != inventory.content_hash:
        what = f"{ledger.path.parent} ran on another catalog than '{inventory.catalog}'"
        raise StudyError(
            what,
            why=f"Content hash {inventory.content_hash[:12]}, the study has {known[:12]}.",
            remedy="Name the study's own catalog, or build it again from the same data.",
        )


def _recommendation(folder: Path) -> Recommendation | None:
    if not (folder / conclusions.FILE).is_file():
        return None
    return conclusions.read_recommendation(folder)


def _measured(records: Iterable[TrialRecord]) -> list[str]:
    return sorted({key for record in records for key, values in record.measures.items() if values})


def _default_objective(keys: Sequence[str], recommendation: Recommendation | None) -> str:
    if recommendation is not None:
        return recommendation.objective
    means = [key for key in keys if key.endswith(f"/{MEAN}")]
    margins = [key for key in means if key.split("/")[1] == "margin"]
    return (margins or means or list(keys))[-1]


def _default_contrast(
    objective: str, keys: Sequence[str], recommendation: Recommendation | None
) -> str | None:
    proposals = recommendation.proposals if recommendation else ()
    proposed = [found.measure for found in proposals if found.measure in keys]
    stage = objective.split("/", maxsplit=1)[0]
    texts = [key for key in keys if key.endswith(f"/bits_per_byte/{MEAN}")]
    before = [key for key in texts if not key.startswith(f"{stage}/")]
    candidates = [*proposed, *reversed(before), *reversed(texts)]
    return next((key for key in candidates if key != objective), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lessons:
    """What the law of a study is fitted with, beside its own trials."""

    seed: int  # of the study
    families: Families


def _lessons(folder: Path, space: Space, choices: ReportChoices) -> _Lessons:
    """Return what scouts and earlier studies taught, as the recommendation was taught it."""
    if not isinstance(choices.recipe, StudyRecipe):
        return _Lessons(seed=choices.study_seed, families=lambda _key: LAWS)
    past = PastStudy(recipe=choices.recipe, space=space, folder=folder)
    return _Lessons(seed=choices.study_seed, families=families_of(past))


def _law(
    objective: str, search: Sequence[TrialRecord], space: Space, lessons: _Lessons
) -> tuple[MeasureLaw | None, str]:
    seed = seeds.derive(lessons.seed, "study", "fit", objective)
    try:
        lessons.families(objective)  # an earlier study may have been moved since
    except StudyError as error:
        return None, str(error)
    try:
        return law_of(objective, search, space, seed=seed, families=lessons.families), ""
    except LawError as error:
        return None, str(error)


def _space(record: TrialRecord, inventory: Inventory) -> Space:
    recipe = decode.decode(record.recipe, ScheduleRecipe, file=record.trial)
    return Space(recipe=recipe, inventory=inventory)
