"""What `mixopt law` answers: rows of predictions, comparisons and proposed mixtures, and their files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import tomli_w
from numpy.typing import NDArray

from mixopt import atomic
from mixopt.cli.law_request import Objective
from mixopt.errors import LawError
from mixopt.schedule import simplex
from mixopt.schedule.schedule import Schedule
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.proposing.guard import lead
from mixopt.surrogate.proposing.propose import Proposal
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.tables.given import Named, named
from mixopt.surrogate.tables.read import RunTable
from mixopt.surrogate.tables.space import Demands

Row = tuple[object, ...]
Vector = NDArray[np.float64]

PREDICTION_COLUMNS = ("mixture", "measure", "predicted", "low", "high", "beyond the runs")
COMPARISON_COLUMNS = ("mixture", "against", "gain", "low", "high", "P(better)")
OUTCOME_COLUMNS = ("mixture", "predicted", "low", "high", "measured", "gain", "P(better)")
_MARGIN = 1e-6  # of shares
_MILLION = 10**6


def prediction_rows(law: MeasureLaw, asked: Named, runs: Runs) -> list[Row]:
    """Return one row per mixture: the prediction, and the interval of one new run."""
    mean = law.predict(asked.features).mean
    low, high = law.interval(asked.features)
    beyond = _beyond(asked, runs)
    return [
        (name, law.measure, float(mean[n]), float(low[n]), float(high[n]), beyond[n])
        for n, name in enumerate(asked.names)
    ]


def comparison_rows(law: MeasureLaw, asked: Named) -> list[Row]:
    """Return one row per pair of mixtures: the gain of the better one and its probability."""
    rows: list[Row] = []
    for pair in combinations(range(len(asked.names)), 2):
        one, other = sorted(pair, key=lambda n: law.sign * law.predict(asked.features).mean[n])
        found = lead(law, *(asked.features.rows(np.array([n])) for n in (one, other)))
        ends = found.interval()
        numbers = (float(each[0]) for each in (found.gain, *ends, found.probability))
        rows.append((asked.names[one], asked.names[other], *numbers))
    return rows


def outcome_rows(law: MeasureLaw, asked: Named, measured: dict[str, float]) -> list[Row]:
    """Return one row per mixture, with its gain over the second, which is the natural one.

    Args:
        law: of the objective.
        asked: the proposal first, the natural mixture second, then others.
        measured: the value of those that are runs of the table.
    """
    mean = law.predict(asked.features).mean
    low, high = law.interval(asked.features)
    found = lead(law, asked.features, asked.features.rows(np.array([1])))
    rows: list[Row] = []
    for n, name in enumerate(asked.names):
        against = (None, None) if n == 1 else (float(found.gain[n]), float(found.probability[n]))
        ends = (float(mean[n]), float(low[n]), float(high[n]))
        rows.append((name, *ends, measured.get(name), *against))
    return rows


def guard_table(
    guards: Sequence[MeasureLaw], found: Proposal, asked: Named
) -> tuple[tuple[str, ...], list[Row]]:
    """Return columns and one row per guard: predictions at two mixtures, and the risk.

    Args:
        guards: laws of the guarded measures.
        found: the proposal.
        asked: the proposal first, the natural mixture second.
    """
    rows: list[Row] = []
    for law in guards:
        mean = law.predict(asked.features).mean
        rows.append((law.measure, float(mean[0]), float(mean[1]), found.guard_risk[law.measure]))
    return ("guarded measure", *asked.names[:2], "risk of being worse"), rows


def weight_table(asked: Named, runs: Runs, demands: Demands) -> tuple[tuple[str, ...], list[Row]]:
    """Return columns and rows of the shares of every mixture, domain by domain.

    The last columns are the largest share in any run, and the epochs of the first mixture where
    supply and tokens are known.
    """
    features = asked.features
    several = len(features.stages) > 1
    columns = (*(("stage",) if several else ()), "domain", *asked.names, "most in runs")
    epochs = _epochs(asked, demands)
    rows: list[Row] = []
    for s, stage in enumerate(features.stages):
        for m, domain in enumerate(features.domains):
            shares = [f"{share:.2%}" for share in features.weights[:, s, m]]
            most = f"{runs.features.weights[:, s, m].max():.2%}"
            head = (stage, domain) if several else (domain,)
            tail = (round(float(epochs[m]), 2),) if epochs is not None else ()
            rows.append((*head, *shares, most, *tail))
    return (*columns, *(("epochs",) if epochs is not None else ())), rows


def of_schedule(table: RunTable, name: str, schedule: Schedule) -> Named:
    """Return the mixtures of a schedule of the table's space."""
    domains = table.runs.features.domains
    weights = [stage.curve.mean().on(domains) for stage in schedule.stages]
    return named(table, [name], np.array([weights]))


def best_run(table: RunTable, objective: Objective) -> tuple[Named, dict[str, float]]:
    """Return the run with the best measured objective, and its value.

    Raises:
        LawError: no run has all measures of the objective.
    """
    runs = table.runs.only(list(objective.coefficients))
    values = runs.values @ np.array(list(objective.coefficients.values()))
    if not np.isfinite(values).any():
        message = f"no run has all measures of '{objective.name}'"
        raise LawError(message, remedy="Choose measures that were taken of the same runs.")
    sign = 1.0 if objective.direction == "minimize" else -1.0
    row = int(np.nanargmin(sign * values))
    name = f"best run ({runs.names[row]})"
    found = Named(names=(name,), features=runs.features.rows(np.array([row])))
    return found, {name: float(values[row])}


def check_writable(path: Path | None) -> None:
    """Raise unless a mixture can be written there, before anything is fitted.

    Raises:
        LawError: the file is to be neither CSV nor TOML.
    """
    if path is not None and path.suffix.lower() not in (".csv", ".toml"):
        message = f"cannot write a mixture to {path}"
        raise LawError(message, remedy="Name it with one of the endings .csv, .toml.")


def write_mixture(path: Path, mixture: Named, table: RunTable) -> None:
    """Write the first mixture: as CSV for `--at`, as TOML for a schedule recipe."""
    text = _as_csv(mixture, table) if path.suffix.lower() == ".csv" else _as_toml(mixture)
    atomic.write(path, text)


def _as_csv(mixture: Named, table: RunTable) -> str:
    features = mixture.features
    several = len(features.stages) > 1
    heads = [f"{stage}_" if several else "" for stage in features.stages]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *(head + column for head in heads for column in table.columns)])
    weights = [[stage.get(name, 0.0) for name in features.domains] for stage in _stages(mixture)]
    writer.writerow([mixture.names[0], *(weight for stage in weights for weight in stage)])
    return text.getvalue()


def _as_toml(mixture: Named) -> str:
    features = mixture.features
    stages = [
        {"name": name, "kind": "lm", "share": round(float(share), 8), "mixture": weights}
        for name, share, weights in zip(
            features.stages, features.tokens[0], _stages(mixture), strict=True
        )
    ]
    return tomli_w.dumps({"stage": stages})


def _stages(mixture: Named) -> list[dict[str, float]]:
    """Return the weights of the first mixture, stage by stage, in millionths."""
    features = mixture.features
    found = []
    for weights in features.weights[0]:
        parts = simplex.apportion(weights, _MILLION) / _MILLION
        pairs = zip(features.domains, parts.tolist(), strict=True)
        found.append({name: weight for name, weight in pairs if weight > 0})
    return found


def _epochs(asked: Named, demands: Demands) -> Vector | None:
    if demands.supply is None or demands.tokens is None:
        return None
    held = np.array([demands.supply[name] for name in asked.features.domains], float)
    return np.asarray(asked.features.doses[0] * demands.tokens / held)


def _beyond(asked: Named, runs: Runs) -> list[str | None]:
    """Return the domains whose share lies outside those of all runs, mixture by mixture."""
    least, most = runs.features.weights.min(axis=0), runs.features.weights.max(axis=0)
    weights = asked.features.weights
    outside = ((weights < least - _MARGIN) | (weights > most + _MARGIN)).any(axis=1)
    domains = np.array(asked.features.domains)
    return [", ".join(domains[row]) or None for row in outside]
