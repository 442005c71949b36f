"""What every command of `mixopt law` is told: the options that name a table and an objective."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from mixopt.cli import console
from mixopt.cli.paths import JsonOption, WorkersOption
from mixopt.errors import LawError
from mixopt.surrogate.runs import Direction
from mixopt.surrogate.tables.given import read_pairs, read_supply, read_tokens
from mixopt.surrogate.tables.read import Layout, RunTable, read_runs
from mixopt.surrogate.tables.space import Demands

_ANY_NAME: Final = "A name, or a pattern with *; may be given several times."


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Where the runs are; every field is an option."""

    ratios: Annotated[Path, typer.Option("--ratios", help="Table of mixtures, one row per run.")]
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics", help="Table of measures; else --measure names columns of --ratios."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The options that all commands share; every field is one."""

    key: Annotated[str | None, typer.Option("--key", help="Column that both are joined by.")] = None
    domain: Annotated[
        list[str] | None, typer.Option("--domain", help=f"Columns of weights. {_ANY_NAME}")
    ] = None
    measure: Annotated[
        list[str] | None, typer.Option("--measure", help=f"Columns of measures. {_ANY_NAME}")
    ] = None
    maximize: Annotated[
        list[str] | None, typer.Option("--maximize", help=f"Measures best when large. {_ANY_NAME}")
    ] = None
    rest: Annotated[
        str | None, typer.Option("--rest", help="Domain that takes what a row lacks.")
    ] = None
    phases: Annotated[
        str | None, typer.Option("--phases", help="Shares of the stages' tokens: 0.8,0.2.")
    ] = None
    objective: Annotated[
        str, typer.Option("--objective", help="mean, sum, a measure, or a=0.5,b=0.5.")
    ] = "mean"
    supply: Annotated[
        str | None, typer.Option("--supply", help="File of domain,tokens, or code=2B,web=1T.")
    ] = None
    tokens: Annotated[
        str | None, typer.Option("--tokens", help="Tokens of the target run, for epochs.")
    ] = None
    max_epochs: Annotated[
        float,
        typer.Option(
            "--max-epochs", min=0.01, help="Most passes over a domain, given --supply and --tokens."
        ),
    ] = 4.0
    seed: Annotated[int, typer.Option("--seed", help="Of folds and candidates.")] = 0
    workers: WorkersOption = None
    as_json: JsonOption = False

    def table(self, files: Files) -> RunTable:
        """Read the runs, and say on stderr what was done to them.

        Raises:
            MixoptError: a file has faults, or something that was named is missing.
        """
        layout = Layout(
            key=self.key,
            domains=tuple(self.domain or ()),
            measures=tuple(self.measure or ()),
            maximize=tuple(self.maximize or ()),
            rest=self.rest,
            phases=_shares(self.phases),
        )
        table = read_runs(files.ratios, files.metrics, layout)
        for note in table.notes:
            console.narrate(note)
        return table

    def demands(self, table: RunTable) -> Demands:
        """Return what is known of the target run: supplies, tokens and the cap on epochs.

        Raises:
            MixoptError: a supply or a count of tokens cannot be read.
        """
        return Demands(
            supply=read_supply(self.supply, table) if self.supply else None,
            tokens=read_tokens(self.tokens) if self.tokens else None,
            max_epochs=self.max_epochs,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A weighted sum of measures.

    Attributes:
        name: in tables.
        direction: which way is better.
        coefficients: measure -> coefficient of its value.
    """

    name: str
    direction: Direction
    coefficients: dict[str, float]


def objective_of(given: str, table: RunTable) -> Objective:
    """Return the objective that a text stands for: `mean`, `sum`, a measure, or `a=0.5,b=0.5`.

    Measures of both directions can be weighed: those that are best when large then count
    negatively, and the sum is minimized.

    Raises:
        NotFoundError: a measure does not exist.
        LawError: measures of both directions are averaged, or a weight is not above 0.
    """
    runs = table.runs
    ways = dict(zip(runs.measures, runs.directions, strict=True))
    if given in ("mean", "sum") and given not in ways:
        one = 1.0 if given == "sum" else 1 / len(ways)
        weights = dict.fromkeys(ways, one)
        name = f"{given} of {len(ways)} measures" if len(ways) > 1 else next(iter(ways))
        if len(set(ways.values())) > 1:
            message = f"the {given} of measures of both directions says nothing"
            remedy = "Weigh them: --objective a=0.5,b=2, or choose some with --measure."
            raise LawError(message, remedy=remedy)
    elif "=" in given and given not in ways:
        pairs = read_pairs(given, "the objective")
        weights = {table.measure(measure): weight for measure, weight in pairs.items()}
        name = " + ".join(f"{weight:g} {measure}" for measure, weight in weights.items())
        if min(weights.values()) <= 0:
            message = f"the objective '{given}' has a weight that is not above 0"
            raise LawError(message, remedy="Name measures best when large with --maximize.")
    else:
        name = table.measure(given)
        weights = {name: 1.0}
    found = {ways[measure] for measure in weights}
    if len(found) == 1:
        return Objective(name=name, direction=found.pop(), coefficients=weights)
    signed = {m: -w if ways[m] == "maximize" else w for m, w in weights.items()}
    name = " + ".join(f"{weight:g} {measure}" for measure, weight in signed.items())
    return Objective(name=name.replace("+ -", "- "), direction="minimize", coefficients=signed)


def _shares(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        message = f"--phases '{text}' is no list of numbers"
        raise LawError(message, remedy="Write it like 0.33,0.34,0.33.") from None
