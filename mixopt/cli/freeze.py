"""`mixopt schedule freeze`: what training decided in a trial, as an ordinary schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt import atomic
from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.cli import console
from mixopt.cli.paths import read_notes
from mixopt.errors import NotFoundError, StudyError
from mixopt.recipes.decode import decode
from mixopt.report.data import one_of_each
from mixopt.schedule.freeze import Decisions, freeze_schedule
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml
from mixopt.study import recommendation
from mixopt.study.decisions import decisions_of
from mixopt.study.ledger import Ledger, TrialRecord
from mixopt.study.recommendation import RECOMMENDED


def freeze(
    folder: Annotated[Path, typer.Argument(help="Study folder.")],
    trial: Annotated[
        str, typer.Option("--trial", help="Name of a trial, or label of a confirmed one.")
    ] = RECOMMENDED,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of one seed; by default the mean over seeds.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Largest difference of any weight.")
    ] = 0.01,
    out: Annotated[
        Path | None, typer.Option("--out", help="The recipe; by default it is printed.")
    ] = None,
) -> None:
    """Write the mixtures that an online policy chose, and where gates opened, as a schedule."""
    record = find_trial(folder, trial)
    inventory = read_inventory(Path(read_notes(folder).catalog))
    schedule = _schedule(record, inventory)
    decisions = decisions_of(Ledger(folder), record, schedule, seed)
    if not decisions.choices and not decisions.opened:
        what = f"trial '{record.trial}' has nothing to freeze"
        raise StudyError(
            what,
            why="No stage that was trained has an online policy or a gate.",
            remedy="Name another with --trial.",
        )
    supply = inventory.supply(tuple(schedule.dose()) + _named(decisions))
    frozen = freeze_schedule(schedule, decisions, supply, tolerance)
    text = schedule_toml(frozen, comment=_comment(record, seed, decisions))
    if out is None:
        console.show_text(text)
        return
    atomic.write(out, text)
    console.show_text(str(out))


def find_trial(folder: Path, trial: str) -> TrialRecord:
    """Return the trial of a name, or the confirmed trial of a label.

    Raises:
        NotFoundError: there is none; names those there are.
    """
    records = Ledger(folder).records()
    for record in records:
        if record.trial == trial:
            return record
    concluded = None
    if (folder / recommendation.FILE).is_file():
        concluded = recommendation.read_recommendation(folder)
    confirmed = one_of_each((each for each in records if each.phase == "confirm"), concluded)
    for record in confirmed:
        if record.label == trial:
            return record
    what = f"no trial '{trial}' in {folder}"
    labels = ", ".join(record.label for record in confirmed)
    raise NotFoundError(
        what,
        why=f"Confirmed: {labels or 'none yet'}; trials of the search have names of their own.",
        remedy=f"`mixopt study show {folder}` lists them.",
    )


def _schedule(record: TrialRecord, inventory: Inventory) -> Schedule:
    recipe = decode(record.recipe, ScheduleRecipe, file=record.trial)
    return Space(recipe=recipe, inventory=inventory).resolve({})


def _named(decisions: Decisions) -> tuple[str, ...]:
    made = [choice for chosen in decisions.choices.values() for choice in chosen]
    return tuple(dict.fromkeys(name for choice in made for name in choice.mixture.domains))


def _comment(record: TrialRecord, seed: int | None, decisions: Decisions) -> str:
    who = f"seed {seed}" if seed is not None else f"the mean over {len(record.seeds)} seeds"
    lines = [f"Frozen from trial {record.trial}, {who}."]
    lines += [
        f"Stage {name}: the mixtures of its online policy, as a curve."
        for name in decisions.choices
    ]
    lines += [
        f"Stage {name}: its gate opened after {share:.1%} of its and the earlier stage's tokens."
        for name, share in decisions.opened.items()
    ]
    return "\n".join(lines)
