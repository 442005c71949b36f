"""What the next batch of a search is worth, by the laws of the trials before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mixopt import atomic
from mixopt.errors import LawError, StudyError
from mixopt.study.design import design_size
from mixopt.study.recipe import SamplerName
from mixopt.study.results import law_of, restraint_of
from mixopt.study.scouts import families_of
from mixopt.study.setup import StudySetup
from mixopt.surrogate.fitting.fit import FEWEST_ROWS
from mixopt.surrogate.proposing.batch import Acquisition, Batch, Wanted, propose_batch

ACQUISITIONS: Final[Mapping[SamplerName, Acquisition]] = {
    "law": "improvement",
    "thompson": "thompson",
}
"""Samplers that laws guide, and how."""

FILE: Final = "worth.json"


def law_batch(setup: StudySetup, first: int, count: int) -> Batch:
    """Return what the laws of the trials before a number propose next.

    Args:
        setup: the study.
        first: number of the first trial that is proposed.
        count: how many.

    Raises:
        StudyError: no trial has the objective or a guardrail.
        LawError: there are too few trials, or they do not differ.
    """
    records = [record for record in setup.ledger.records("search") if record.number < first]
    settings, seed = setup.settings, setup.key("law", first)
    of_measure = families_of(setup)
    law = law_of(settings.objective, records, setup.space, seed=seed, families=of_measure)
    restraint = restraint_of(law, settings, records, setup.space, seed=seed, families=of_measure)
    wanted = Wanted(
        count=count,
        done=tuple(
            json.loads(record.point)
            for record in records
            if record.measures.get(settings.objective)
        ),
        acquisition=ACQUISITIONS.get(settings.sampler, "improvement"),
        share=settings.share,
    )
    return propose_batch(law, setup.space, wanted, restraint=restraint, seed=seed)


def look_ahead(setup: StudySetup, numbers: range) -> Batch | None:
    """Return what the laws propose for a batch of the search, and what that is worth.

    Returns:
        None where a trial of the batch is of the design, no law can be fitted yet, or nobody asks:
        the sampler is not guided by laws and the study has no `least_gain`.
    """
    settings = setup.settings
    asked = settings.sampler in ACQUISITIONS or settings.least_gain > 0
    if not asked or numbers.start < max(design_size(setup), FEWEST_ROWS):
        return None
    try:
        return law_batch(setup, numbers.start, len(numbers))
    except LawError:
        return None


def note_worth(folder: Path, first: int, worth: float) -> None:
    """Keep with a study what the batch that begins at a trial was expected to gain."""
    known = {number: each for number, each in read_worths(folder).items() if number < first}
    content = {str(number): each for number, each in (known | {first: worth}).items()}
    atomic.write(folder / FILE, json.dumps(content, indent=2) + "\n")


def read_worths(folder: Path) -> dict[int, float]:
    """Return first trial of each batch -> expected gain, in units of the objective; in order.

    Raises:
        StudyError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {int(number): float(worth) for number, worth in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        what = f"{path} is damaged"
        raise StudyError(what, why=str(error), remedy="Delete it; it is only shown.") from error


def say_worth(first: int, worth: float, least: float) -> str:
    """Return what the batch that begins at a trial is expected to gain, in words."""
    said = f"trial {first} on: the next batch is expected to gain {worth:.3g} over the best run"
    return f"{said}; below {least:g}, the search ends" if worth < least else said
