"""`mixopt law`: fit, predict, compare, propose, extrapolate; laws of a table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Annotated

import numpy as np
import typer

from mixopt.cli import console
from mixopt.cli.flatten import flattened
from mixopt.cli.law_answers import (
    COMPARISON_COLUMNS,
    PREDICTION_COLUMNS,
    best_run,
    comparison_rows,
    prediction_rows,
)
from mixopt.cli.law_extrapolate import extrapolate
from mixopt.cli.law_fits import (
    LAW_COLUMNS,
    MEASURE_COLUMNS,
    family_rows,
    fit_all,
    law_row,
    measure_row,
    objective_law,
    say,
    score_rows,
    show_answer,
    warnings,
)
from mixopt.cli.law_propose import propose
from mixopt.cli.law_request import Files, Objective, Request, objective_of
from mixopt.errors import LawError
from mixopt.surrogate.tables.given import Named, natural, read_named, uniform
from mixopt.surrogate.tables.read import RunTable

AtOption = Annotated[
    list[str],
    typer.Option(
        "--at",
        help="Mixtures: a file, code=0.4,web=0.6, natural, uniform, best, or a run's name.",
    ),
]


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    for command in (fit, predict, compare, propose, extrapolate):
        app.command()(command)
    parent.add_typer(app, name="law")


@flattened
def fit(
    files: Files,
    request: Request,
    *,
    families: Annotated[
        bool, typer.Option("--families", help="Show every family's score on every measure.")
    ] = False,
) -> None:
    """Fit a law to every measure, and say how well it orders runs that it did not see."""
    table = request.table(files)
    objective = objective_of(request.objective, table)
    laws = fit_all(request, table, table.runs.measures)
    law = objective_law(laws, objective)
    shown = {found.measure: found for found in (*laws.values(), law)}.values()
    rows = [measure_row(each) for each in shown]
    errors = [law_row(each, _noise(table, each.measure)) for each in shown]
    measured = list(laws.values())
    columns, scores = score_rows(measured) if families else family_rows(measured)
    said = warnings(table, law)
    counts = f"{table.runs.num_rows} runs of {len(table.columns)} domains"
    answer = {
        "measures": (MEASURE_COLUMNS, rows),
        "laws": (LAW_COLUMNS, errors),
        "families": (columns, scores),
    }
    titles = {
        "measures": f"{counts}, each judged by laws fitted without it",
        "laws": "what the laws consist of, and their errors beside noise and spread of the runs",
        "families": "families of laws" if families else "families of laws, means over measures",
    }
    show_answer(request, answer, titles, [*(table.notes if request.as_json else ()), *said])


@flattened
def predict(
    files: Files,
    request: Request,
    *,
    at: AtOption,
    each: Annotated[
        bool, typer.Option("--each", help="Show every measure, not the objective alone.")
    ] = False,
) -> None:
    """Predict the objective of some mixtures, with the interval of one new run."""
    table = request.table(files)
    objective = objective_of(request.objective, table)
    asked = _asked(at, table, objective, request)
    laws = fit_all(request, table, table.runs.measures if each else objective.coefficients)
    law = objective_law(laws, objective)
    shown = [law, *(laws.values() if each else ())]
    unique = {found.measure: found for found in shown}.values()
    rows = [row for found in unique for row in prediction_rows(found, asked, table.runs)]
    console.show_table(PREDICTION_COLUMNS, rows, as_json=request.as_json)
    say(warnings(table, law))


@flattened
def compare(files: Files, request: Request, *, at: AtOption) -> None:
    """Say how likely each of some mixtures is better than the others."""
    table = request.table(files)
    objective = objective_of(request.objective, table)
    asked = _asked(at, table, objective, request)
    if len(asked.names) < 2:
        message = "nothing to compare: one mixture is named"
        raise LawError(message, remedy="Name a second one: --at natural, --at best or a file.")
    law = objective_law(fit_all(request, table, objective.coefficients), objective)
    rows = comparison_rows(law, asked)
    title = f"{objective.name}: gain of the better mixture"
    console.show_table(COMPARISON_COLUMNS, rows, as_json=request.as_json, title=title)
    say(warnings(table, law))


def _asked(at: Sequence[str], table: RunTable, objective: Objective, request: Request) -> Named:
    """Return the mixtures that are asked for, in their order."""
    found = []
    for given in at:
        if given == "natural":
            found.append(natural(table, request.demands(table).supply))
        elif given == "uniform":
            found.append(uniform(table))
        elif given == "best":
            found.append(best_run(table, objective)[0])
        else:
            found.append(read_named(given, table, request.rest))
    return reduce(Named.joined, found)


def _noise(table: RunTable, measure: str) -> float:
    """Return the standard deviation of a value over runs of one mixture; 0 where it is not known."""
    if measure not in table.runs.measures:
        return 0.0
    column = table.runs.noise[:, table.runs.measures.index(measure)]
    return float(np.sqrt(np.nanmean(column)))
