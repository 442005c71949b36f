"""`mixopt law extrapolate`: what a ladder of sizes says of a run that is larger than all of them."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mixopt.cli import console
from mixopt.cli.flatten import flattened
from mixopt.cli.law_answers import check_writable, of_schedule, weight_table, write_mixture
from mixopt.cli.law_fits import show_answer
from mixopt.cli.law_propose import Wishes, check_penalty, demands_of, penalty_of
from mixopt.cli.law_request import Files, Objective, Request, objective_of
from mixopt.errors import LawError
from mixopt.recipes.quantity import show_quantity
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.guard import lead
from mixopt.surrogate.proposing.propose import propose
from mixopt.surrogate.scaling.climb import Rung
from mixopt.surrogate.scaling.ladder import Ladder, fit_ladder
from mixopt.surrogate.scaling.target_law import AtSize, law_at, over_same_domains
from mixopt.surrogate.tables.given import Named, named, natural, read_tokens, uniform
from mixopt.surrogate.tables.read import RunTable
from mixopt.surrogate.tables.space import Demands, over_space, table_space

_OUTCOMES = ("mixture", "at the largest rung", "at the target", "low", "high", "gain", "P(better)")
_FLIPS = ("measure", "rank correlation of the best", "pairs that change places", "first at")


@flattened
def extrapolate(
    request: Request,
    wishes: Wishes,
    *,
    rung: Annotated[
        list[str],
        typer.Option("--rung", help="PARAMETERS,TOKENS,RATIOS,METRICS of one size; repeat it."),
    ],
    target: Annotated[str, typer.Option("--target", help="PARAMETERS,TOKENS of the target run.")],
) -> None:
    """Predict the best mixture at a size that nobody has trained, from runs of smaller ones."""
    check_writable(wishes.out)
    check_penalty(wishes)
    parameters, tokens = _size(target.split(","), f"--target {target}")
    sizes = [_size(text.split(",")[:2], f"--rung {text}") for text in rung]
    tables = [request.table(_files(text)) for text in rung]
    table = _joint_table(tables)
    objective = objective_of(request.objective, table)
    runs = over_same_domains(tables)
    rungs = [
        Rung(parameters=size[0], tokens=size[1], runs=each.only(list(objective.coefficients)))
        for size, each in zip(sizes, runs, strict=True)
    ]
    with console.progress(f"fitting a ladder of {len(rungs)} sizes", None):
        ladder = fit_ladder(rungs, seed=request.seed)
    at_target = AtSize(
        ladder=ladder,
        coefficients=objective.coefficients,
        parameters=parameters,
        tokens=tokens,
        sign=1.0,
    )
    demands = demands_of(replace(request, tokens=str(round(tokens))), wishes, table)
    asked = _mixtures(request, wishes, table, at_target, objective, demands)
    _show(request, table, at_target, objective, asked, demands)
    if wishes.out is not None:
        write_mixture(wishes.out, asked, table)
        console.narrate(f"written: {wishes.out}")


def _size(texts: list[str], given: str) -> tuple[float, float]:
    if len(texts) != 2:
        message = f"cannot read {given}"
        raise LawError(message, remedy="Write it like 1B,25B: parameters and tokens.")
    return float(read_tokens(texts[0])), float(read_tokens(texts[1]))


def _files(text: str) -> Files:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (3, 4):
        message = f"cannot read --rung {text}"
        remedy = "Write it like 60M,1B,ratios.csv,metrics.csv; without the last for one file."
        raise LawError(message, remedy=remedy)
    return Files(ratios=Path(parts[2]), metrics=Path(parts[3]) if len(parts) == 4 else None)


def _joint_table(tables: list[RunTable]) -> RunTable:
    """Return the largest table over the domains that any rung used, for names and bounds."""
    runs = over_same_domains(tables)
    number = max(range(len(tables)), key=lambda n: runs[n].num_rows)
    columns = {
        name: column
        for table in reversed(tables)
        for name, column in zip(table.runs.features.domains, table.columns, strict=True)
    }
    shared = [m for m in runs[number].measures if all(m in each.measures for each in runs)]
    if not shared:
        message = "the rungs have no measure in common"
        raise LawError(message, remedy="Give all rungs the same columns of measures.")
    unused = set(tables[0].unused).intersection(*(table.unused for table in tables))
    found = runs[number].only(shared)
    names = tuple(columns[name] for name in found.features.domains)
    return RunTable(runs=found, columns=names, unused=tuple(sorted(unused)), notes=())


def _mixtures(
    request: Request,
    wishes: Wishes,
    table: RunTable,
    at_target: AtSize,
    objective: Objective,
    demands: Demands,
) -> Named:
    """Return the proposal for the target, the natural and uniform mixtures, and the best run's."""
    law = law_at(at_target, objective.name, objective.direction)
    space = table_space(table.runs.features, demands)
    largest = at_target.ladder.rungs[-1].runs.features
    with console.progress("looking for the best mixture at the target", None):
        found = propose(
            over_space(law, table.runs.features),
            space,
            restraint=Restraint(penalty=penalty_of(wishes, law, largest, space, request.seed)),
            seed=request.seed,
        )
    tried = [each for rung in at_target.ladder.rungs for each in rung.runs.features.weights]
    features = named(table, [""] * len(tried), np.array(tried)).features
    best = int((law.sign * law.predict(features).mean).argmin())
    others = [
        natural(table, demands.supply),
        uniform(table),
        named(table, ["best mixture run"], features.weights[best : best + 1]),
    ]
    return reduce(Named.joined, others, of_schedule(table, "proposed", found.schedule))


def _show(
    request: Request,
    table: RunTable,
    at_target: AtSize,
    objective: Objective,
    asked: Named,
    demands: Demands,
) -> None:
    law = law_at(at_target, objective.name, objective.direction)
    largest = at_target.ladder.rungs[-1]
    below = replace(at_target, parameters=largest.parameters, tokens=largest.tokens)
    low, high = at_target.interval(asked.features)
    found = lead(law, asked.features, asked.features.rows(np.array([1])))
    numbers = (
        below.predict(asked.features).mean,
        at_target.predict(asked.features).mean,
        low,
        high,
        found.gain,
        found.probability,
    )
    rows: list[tuple[object, ...]] = []
    for n, name in enumerate(asked.names):
        known = numbers if n != 1 else numbers[:-2]  # the second is what gains are over
        ends = [None] * (len(numbers) - len(known))
        rows.append((name, *(float(each[n]) for each in known), *ends))
    size = f"{show_quantity(at_target.parameters)} parameters, {show_quantity(at_target.tokens)} tokens"
    answer = {
        "weights": weight_table(asked, table.runs, demands),
        "mixtures": (_OUTCOMES, rows),
        "order": (_FLIPS, _flips(at_target, table)),
    }
    titles = {
        "weights": "mixtures",
        "mixtures": f"{law.measure} ({law.direction}d) at {size}: gain over {asked.names[1]}",
        "order": "order of the best mixtures from the largest rung to there",
    }
    show_answer(request, answer, titles, _cautions(at_target))


def _cautions(at_target: AtSize) -> list[str]:
    """Return what to keep in mind of a target that a ladder does not lead up to."""
    largest = max(rung.parameters for rung in at_target.ladder.rungs)
    if at_target.parameters >= largest:
        return []
    smaller = f"{show_quantity(at_target.parameters)} < {show_quantity(largest)} parameters"
    return [f"the target is smaller than the largest rung ({smaller}): nothing is extrapolated"]


def _flips(at_target: AtSize, table: RunTable) -> list[tuple[object, ...]]:
    """Return one row per measure: how the order of the best mixtures changes up to the target."""
    ladder: Ladder = at_target.ladder
    weights = [each for rung in ladder.rungs for each in rung.runs.features.weights]
    features = named(table, [""] * len(weights), np.array(weights)).features
    rows: list[tuple[object, ...]] = []
    for measure in at_target.coefficients:
        found = ladder.flips(measure, features, at_target.parameters, at_target.tokens)
        first = min(found.flips, key=lambda flip: flip.parameters * flip.tokens, default=None)
        place = None
        if first is not None:
            place = f"{show_quantity(first.parameters)} on {show_quantity(first.tokens)}"
        rows.append((measure, round(found.rank_correlation, 3), len(found.flips), place))
    return rows
