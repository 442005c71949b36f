"""`mixopt recommend`: fit the laws, propose, confirm on fresh seeds, and say what to train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.begin import make_engine, resume
from mixopt.cli.paths import JsonOption, WorkersOption
from mixopt.study.confirm import (
    confirm,
    confirmation_trials,
    find_optima,
    remaining_steps,
    summary_of,
)
from mixopt.study.recommendation import SCHEDULE_FILE, Recommendation
from mixopt.study.setup import StudySetup


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the command to the application."""
    parent.command("recommend", help=help_text)(recommend)


def recommend(
    folder: Annotated[Path, typer.Argument(help="Study folder.")],
    workers: WorkersOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Confirm a study's winner on fresh seeds."""
    found = run_confirmation(resume(folder), workers)
    if as_json:
        console.show_json(found)
        return
    show_outcomes(found)
    show_rungs(found)
    show_front(found)
    lines = [
        found.sentence,
        *order_lines(found),
        *worth_lines(found),
        "",
        f"schedule: {folder / SCHEDULE_FILE}",
    ]
    console.conclude("recommendation", lines)


def run_confirmation(setup: StudySetup, workers: int | None) -> Recommendation:
    """Fit, propose and confirm, with a progress bar."""
    console.narrate("laws: fitting and proposing")
    optima = find_optima(setup)
    for found in optima:
        console.narrate(
            f"  {found.law.measure}: law {found.law.law}, optimum predicted at "
            f"{found.proposal.mean:.4g} +- {found.proposal.deviation:.2g}"
        )
        doubts = summary_of(found).doubts
        console.narrate(f"    {doubts}" if doubts else "    no baseline to compare with")
    trials = confirmation_trials(setup, optima)
    setup.ledger.add_trials(trials)
    total = remaining_steps(setup, trials)
    with (
        make_engine(workers, setup.device) as engine,
        console.progress("confirmation: member-steps", total) as advance,
    ):
        return confirm(setup, optima, trials, engine, advance)


def order_lines(found: Recommendation) -> list[str]:
    """Return what the order does by itself, in plain words; nothing where it was not looked at."""
    return list(found.order_effect.sentences()) if found.order_effect is not None else []


def worth_lines(found: Recommendation) -> list[str]:
    """Return what more trials are expected to gain; nothing where it was not estimated."""
    if found.next_worth is None:
        return []
    return [
        f"Another batch of the search is expected to gain {found.next_worth:.3g} in {found.objective}."
    ]


def show_front(found: Recommendation) -> None:
    """Print compromises between the measures that were searched for; nothing where there is one."""
    if not found.front:
        return
    measures, domains = list(found.front[0].predicted), list(found.front[0].mixture)
    rows = [
        (
            "knee" if each.knee else "",
            *(f"{each.predicted[key]:.4f} +- {each.deviation[key]:.4f}" for key in measures),
            *(f"{each.mixture.get(name, 0.0):.1%}" for name in domains),
        )
        for each in found.front
    ]
    title = "what one measure costs the other, predicted: no schedule beats these in both"
    console.show_table(["", *measures, *domains], rows, as_json=False, title=title)


def show_rungs(found: Recommendation) -> None:
    """Print what smaller and larger proxies make of the recommendation; nothing without any."""
    if not found.rungs:
        return
    columns = ["proxy", "parameters", "tokens", "measure", "trials"]
    columns += ["recommended", "natural", "rank correlation", "in the best quarter"]
    rows = [
        (
            each.proxy,
            each.parameters,
            each.lm_tokens,
            each.measure,
            each.trials,
            f"{each.recommended:.4f} +- {each.recommended_deviation:.4f}",
            f"{each.natural:.4f} +- {each.natural_deviation:.4f}",
            each.rank_correlation,
            each.top_quarter_rank_correlation,
        )
        for each in found.rungs
    ]
    title = "predicted at other proxies, and how laws rank from the smaller to the larger"
    console.show_table(columns, rows, as_json=False, title=title)


def show_outcomes(found: Recommendation) -> None:
    """Print the confirmed schedules on the objective and on the other measures searched for."""
    keys = list(dict.fromkeys(proposal.measure for proposal in found.proposals))
    labels = list(dict.fromkeys(outcome.label for outcome in found.outcomes))
    cells = {(outcome.label, outcome.measure): outcome for outcome in found.outcomes}
    rows = []
    for label in labels:
        row: list[object] = [label]
        for key in keys:
            cell = cells.get((label, key))
            row.append(f"{cell.value:.4f} +- {cell.standard_error:.4f}" if cell else None)
        rows.append(row)
    seeds = max(outcome.num_seeds for outcome in found.outcomes)
    console.show_table(
        ["schedule", *keys], rows, as_json=False, title=f"on {seeds} fresh seeds, mean +- se"
    )
