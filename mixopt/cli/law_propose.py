"""`mixopt law propose`: the mixture that the laws of a table expect most of, within what is demanded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.flatten import flattened
from mixopt.cli.law_answers import (
    OUTCOME_COLUMNS,
    best_run,
    check_writable,
    guard_table,
    of_schedule,
    outcome_rows,
    weight_table,
    write_mixture,
)
from mixopt.cli.law_fits import fit_all, objective_law, show_answer, warnings
from mixopt.cli.law_front import front as find_front
from mixopt.cli.law_request import Files, Objective, Request, objective_of
from mixopt.errors import LawError
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.proposing.exploration import DEFAULT_PENALTY, Restraint
from mixopt.surrogate.proposing.optimism import penalty_for
from mixopt.surrogate.proposing.propose import Proposal
from mixopt.surrogate.proposing.propose import propose as find_optimum
from mixopt.surrogate.tables.given import Named, natural, read_weights, uniform
from mixopt.surrogate.tables.read import RunTable
from mixopt.surrogate.tables.space import Demands, over_space, table_space

_TITLES = {
    "weights": "mixtures",
    "guards": "guards",
    "losses": "what the best in one measure loses in the others",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the proposed mixture has to keep, and where it is written; every field is an option."""

    floor: Annotated[
        str | None, typer.Option("--floor", help="Least weights: code=0.1,web=0.2.")
    ] = None
    ceiling: Annotated[str | None, typer.Option("--ceiling", help="Largest weights: web=0.6.")] = (
        None
    )
    lattice: Annotated[
        float | None, typer.Option("--lattice", help="Shares are multiples of this: 0.005.")
    ] = None
    penalty: Annotated[
        str,
        typer.Option("--penalty", help="Price of leaving the natural mixture, or auto."),
    ] = f"{DEFAULT_PENALTY}"
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the mixture to this .csv or .toml.")
    ] = None


@flattened
def propose(
    files: Files,
    request: Request,
    wishes: Wishes,
    *,
    guard: Annotated[
        list[str] | None, typer.Option("--guard", help="Measures that must not get worse.")
    ] = None,
    front: Annotated[
        list[str] | None, typer.Option("--front", help="Measures to weigh up: give two or more.")
    ] = None,
) -> None:
    """Find the mixture that the laws expect most of, within what you demand."""
    check_writable(wishes.out)
    check_penalty(wishes)
    table = request.table(files)
    demands = demands_of(request, wishes, table)
    guards = [table.measure(name) for name in guard or ()]
    fronts = [table.measure(name) for name in front or ()]
    objective = objective_of(fronts[0] if fronts else request.objective, table)
    laws = fit_all(request, table, [*(fronts or objective.coefficients), *guards])
    held = [laws[name] for name in guards]
    if fronts:
        chosen = [laws[name] for name in fronts]
        restraint = _restraint(request, wishes, table, chosen[0], held)
        proposed, answer = find_front(table, chosen, demands, restraint, request.seed)
        notes = [note for law in chosen for note in warnings(table, law)] + unused_options(demands)
        show_answer(
            request,
            answer,
            {**_TITLES, "mixtures": "95% intervals of one run"},
            list(dict.fromkeys(notes)),
        )
    else:
        law = objective_law(laws, objective)
        restraint = _restraint(request, wishes, table, law, held)
        found = _optimum(request, table, law, demands, restraint)
        proposed = of_schedule(table, "proposed", found.schedule)
        asked, measured = _compared(table, objective, proposed, demands)
        answer = {
            "weights": weight_table(asked, table.runs, demands),
            "mixtures": (OUTCOME_COLUMNS, outcome_rows(law, asked, measured)),
            "guards": guard_table(held, found, asked),
        }
        title = (
            f"{law.measure} ({law.direction}d): 95% interval of one run, gain over {asked.names[1]}"
        )
        notes = [*warnings(table, law), *unused_options(demands), *_held_back(law, asked)]
        show_answer(request, answer, {**_TITLES, "mixtures": title}, notes)
    if wishes.out is not None:
        write_mixture(wishes.out, proposed, table)
        console.narrate(f"written: {wishes.out}")


def penalty_of(wishes: Wishes, law: MeasureLaw, runs: Features, space: Space, seed: int) -> float:
    """Return the penalty that was asked for, or the one that the runs speak for.

    Args:
        wishes: what was asked for.
        law: of the objective.
        runs: of the table that the law was fitted to.
        space: where it proposes.
        seed: names the halves of the runs.
    """
    given = check_penalty(wishes)
    if given is not None:
        return given
    found = penalty_for(over_space(law, runs), runs.rows(law.rows), space, seed=seed).penalty
    console.narrate(f"penalty: {found:g}, whose picks among unseen runs were best")
    return found


def check_penalty(wishes: Wishes) -> float | None:
    """Return the penalty as a number; none where it is `auto`.

    Raises:
        LawError: it is neither `auto` nor a number of at least 0.
    """
    if wishes.penalty == "auto":
        return None
    try:
        number = float(wishes.penalty)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        message = f"--penalty '{wishes.penalty}' is no penalty"
        raise LawError(message, remedy="Give `auto` or a number of at least 0.")
    return number


def unused_options(demands: Demands) -> list[str]:
    """Return what was said of supply or tokens and caps nothing, as the other is missing."""
    if (demands.supply is None) == (demands.tokens is None):
        return []
    given, lacking = ("--supply", "--tokens") if demands.supply else ("--tokens", "--supply")
    return [f"{given} without {lacking} caps no epochs"]


def _held_back(law: MeasureLaw, asked: Named) -> list[str]:
    """Return why a run of the table is predicted to be better than the proposal, where one is."""
    cost = law.sign * law.predict(asked.features).mean
    if cost[-1] >= cost[0]:
        return []
    run = asked.names[-1]
    reason = "the penalty, a guard or a bound keeps the proposal from going there"
    return [f"{run} is predicted to be better: {reason}; --penalty 0 takes the first away"]


def _restraint(
    request: Request, wishes: Wishes, table: RunTable, law: MeasureLaw, guards: list[MeasureLaw]
) -> Restraint:
    runs = table.runs.features
    space = table_space(runs, demands_of(request, wishes, table))
    return Restraint(
        penalty=penalty_of(wishes, law, runs, space, request.seed),
        guards=tuple(over_space(each, runs) for each in guards),
    )


def _compared(
    table: RunTable, objective: Objective, proposed: Named, demands: Demands
) -> tuple[Named, dict[str, float]]:
    """Return the proposal and what it is compared with, and what was measured of these."""
    best, measured = best_run(table, objective)
    others = [natural(table, demands.supply), uniform(table), best]
    return reduce(Named.joined, others, proposed), measured


def demands_of(request: Request, wishes: Wishes, table: RunTable) -> Demands:
    """Return what a proposal has to keep."""
    floors, ceilings = wishes.floor, wishes.ceiling
    return replace(
        request.demands(table),
        floors=read_weights(floors, table, "the floors") if floors else {},
        ceilings=read_weights(ceilings, table, "the ceilings") if ceilings else {},
        lattice=wishes.lattice,
    )


def _optimum(
    request: Request, table: RunTable, law: MeasureLaw, demands: Demands, restraint: Restraint
) -> Proposal:
    runs = table.runs.features
    space = table_space(runs, demands)
    with console.progress("looking for the best mixture", None):
        return find_optimum(over_space(law, runs), space, restraint=restraint, seed=request.seed)
