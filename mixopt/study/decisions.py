"""What training decided about a trial, as the ledger keeps it: where gates opened, what was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from mixopt.errors import StudyError
from mixopt.evaluation.result import ChosenMixture
from mixopt.schedule.freeze import Choice, Decisions, mean_choices
from mixopt.schedule.schedule import Schedule
from mixopt.study.ledger import FigureRecord, Ledger, TrialRecord

OPENED_AT: Final = "opened_at"
"""Figure of the stage before a gate: the share of both stages' tokens at which the gate opened."""


def decisions_of(
    ledger: Ledger, record: TrialRecord, schedule: Schedule, seed: int | None = None
) -> Decisions:
    """Return what training decided, of one seed, or the mean over seeds.

    Args:
        ledger: of the study.
        record: the trial.
        schedule: of the trial.
        seed: None for the mean over all seeds.

    Raises:
        StudyError: the trial was not run with the seed.
    """
    if seed is not None and seed not in record.seeds:
        what = f"trial '{record.trial}' has no seed {seed}"
        known = ", ".join(str(each) for each in record.seeds)
        raise StudyError(what, why=f"Seeds: {known or 'none yet'}.")
    figures = [each for each in ledger.figures(record.phase) if each.trial == record.trial]
    chosen = ledger.choices(record.trial)
    return Decisions(
        choices=mean_trajectories(
            {each: made for each, made in chosen.items() if seed in (None, each)}
        ),
        opened=gates_opened([each for each in figures if seed in (None, each.seed)], schedule),
    )


def mean_trajectories(
    chosen: Mapping[int, Sequence[ChosenMixture]],
) -> dict[str, tuple[Choice, ...]]:
    """Return the mean over seeds of what was chosen, by stage.

    Args:
        chosen: by seed, as `Ledger.choices` returns it.
    """
    stages = dict.fromkeys(each.stage for made in chosen.values() for each in made)
    return {
        stage: mean_choices(
            [of_stage for made in chosen.values() if (of_stage := _choices(made, stage))]
        )
        for stage in stages
    }


def gates_opened(figures: Iterable[FigureRecord], schedule: Schedule) -> dict[str, float]:
    """Return where the gates of a schedule opened: stage with the gate -> share of both stages.

    Args:
        figures: of runs of the schedule; the mean over them is taken.
        schedule: names the stages.
    """
    noted: dict[str, list[float]] = {}
    for figure in figures:
        if figure.name == OPENED_AT:
            noted.setdefault(figure.stage, []).append(figure.value)
    return {
        stage.name: float(np.mean(noted[before.name]))
        for before, stage in pairwise(schedule.stages)
        if stage.gate is not None and before.name in noted
    }


def _choices(made: Sequence[ChosenMixture], stage: str) -> list[Choice]:
    return [Choice(since=each.since, mixture=each.mixture) for each in made if each.stage == stage]
