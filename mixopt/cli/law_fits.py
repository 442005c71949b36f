"""The fits behind every answer of `mixopt law`: one law per measure, and what to say of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mixopt.cli import console
from mixopt.cli.law_request import Objective, Request
from mixopt.surrogate.fitting.fit import MeasureLaw, combine_measures, fit_runs
from mixopt.surrogate.scores import LawScore
from mixopt.surrogate.tables.read import RunTable

Table = tuple[tuple[str, ...], list[tuple[object, ...]]]

MEASURE_COLUMNS = (
    "measure",
    "runs",
    "rank correlation",
    "in the best quarter",
    "regret@1",
    "P(best)",
    "coverage",
)
LAW_COLUMNS = ("measure", "law", "error", "noise", "spread")
_FAMILY_COLUMNS = ("family", "share", "rank correlation", "in the best quarter", "error / spread")
_WIDE = 0.2  # fall of the rank correlation in the best quarter that is worth a word
_POOR = 0.3
_SHOWN_SHARE = 0.005
_MOST_SHOWN = 3  # families of a stack
_UNMOVED = 1e-9


def fit_all(request: Request, table: RunTable, measures: Iterable[str]) -> dict[str, MeasureLaw]:
    """Fit the laws of some measures, with a progress bar."""
    wanted = [name for name in table.runs.measures if name in set(measures)]
    workers = request.workers or os.cpu_count() or 1
    what = "law" if len(wanted) == 1 else "laws"
    with console.progress(f"fitting {len(wanted)} {what} to {table.runs.num_rows} runs", None):
        return fit_runs(table.runs.only(wanted), seed=request.seed, workers=workers)


def objective_law(laws: dict[str, MeasureLaw], objective: Objective) -> MeasureLaw:
    """Return the law of the objective: that of its one measure, or those of several, weighed."""
    if objective.coefficients == {objective.name: 1.0}:
        return laws[objective.name]
    return combine_measures(
        [laws[name] for name in objective.coefficients],
        list(objective.coefficients.values()),
        measure=objective.name,
        direction=objective.direction,
    )


def say(notes: Sequence[str]) -> None:
    """Say on stderr what to keep in mind."""
    for note in notes:
        console.narrate(f"note: {note}")


def show_answer(
    request: Request, answer: Mapping[str, Table], titles: Mapping[str, str], notes: Sequence[str]
) -> None:
    """Print tables that have rows, or all of them as one JSON object with the notes."""
    if request.as_json:
        found = {name: _objects(*table) for name, table in answer.items()}
        console.show_json(found | {"notes": list(notes)})
        return
    for name, (columns, rows) in answer.items():
        if rows:
            console.show_table(columns, rows, as_json=False, title=titles[name])
    say(notes)


def _objects(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    """Return rows as JSON has them."""
    return [dict(zip(columns, row, strict=True)) for row in rows]


def score_of(law: MeasureLaw) -> LawScore:
    """Return the score of the law itself, out-of-fold."""
    return next(found for found in law.scores if found.law == law.law)


def measure_row(law: MeasureLaw) -> tuple[object, ...]:
    """Return the row of a measure: how well its law orders and covers runs that it did not see."""
    found = score_of(law)
    return (
        law.measure,
        len(law.values),
        round(found.rank_correlation, 3),
        round(found.top_quarter_rank_correlation, 3),
        found.regret_at_1,
        round(found.chance_of_best, 3),
        round(found.coverage, 3),
    )


def law_row(law: MeasureLaw, noise: float) -> tuple[object, ...]:
    """Return what a law consists of and how far off it is, in units of the measure.

    Args:
        law: of the measure.
        noise: standard deviation of a value over runs of one mixture; 0 where it is not known.
    """
    error, spread = score_of(law).root_mean_square_error, float(np.std(law.values))
    return law.measure, composition(law), error, noise or None, spread


def composition(law: MeasureLaw) -> str:
    """Return the families that a law consists of, the largest share first."""
    shares = sorted(law.weights.items(), key=lambda pair: -pair[1])
    parts = [f"{name} {share:.2f}" for name, share in shares if share >= _SHOWN_SHARE]
    more = len(parts) - _MOST_SHOWN
    listed = ", ".join(parts[:_MOST_SHOWN]) or law.law
    return f"{listed} and {more} more" if more > 0 else listed


def score_rows(laws: Sequence[MeasureLaw]) -> Table:
    """Return columns and one row per measure and family: its share and scores."""
    rows: list[tuple[object, ...]] = [
        (
            law.measure,
            found.law,
            round(law.weights.get(found.law, float("nan")), 3),
            round(found.rank_correlation, 3),
            round(found.top_quarter_rank_correlation, 3),
            found.root_mean_square_error / float(np.std(law.values)),
        )
        for law in laws
        for found in law.scores
    ]
    return ("measure", *_FAMILY_COLUMNS), rows


def family_rows(laws: Sequence[MeasureLaw]) -> Table:
    """Return columns and one row per family: its share and scores, as means over measures."""
    names = list(dict.fromkeys(score.law for law in laws for score in law.scores))
    table = score_rows(laws)[1]
    rows: list[tuple[object, ...]] = []
    for name in names:
        numbers = np.array([row[2:] for row in table if row[1] == name], float)
        rows.append((name, *(round(float(mean), 3) for mean in numbers.mean(axis=0))))
    return _FAMILY_COLUMNS, rows


def warnings(table: RunTable, law: MeasureLaw) -> list[str]:
    """Return what to keep in mind about the law of the objective, in plain words."""
    features = table.runs.features
    rows, count = features.num_rows, len(features.domains)
    stages = len(features.stages)
    wanted = 3 * (stages * (count - 1) + 2)
    found = [
        f"'{law.measure}': {name} has no share: {why}"
        for name, why in law.left_out.items()
        if "does not apply" not in why
    ]
    if rows < wanted:
        found.append(f"{rows} runs are few for {count} domains; {wanted} are a good beginning")
    score = score_of(law)
    if score.rank_correlation < _POOR:
        found.append(
            f"the law of '{law.measure}' hardly orders runs that it did not see (rank correlation "
            f"{score.rank_correlation:.2f}): it is no ground for a decision"
        )
    if score.root_mean_square_error >= float(np.std(law.values)):
        found.append(
            f"the law of '{law.measure}' misses unseen runs by more than they differ from their "
            "mean: it knows no more than the mean"
        )
    elif score.rank_correlation - score.top_quarter_rank_correlation > _WIDE:
        found.append(
            f"the rank correlation is {score.rank_correlation:.2f} over all runs and "
            f"{score.top_quarter_rank_correlation:.2f} in the best quarter: very different "
            "mixtures make the first look good, the second counts when choosing"
        )
    for number, stage in enumerate(features.stages):
        still = np.ptp(features.weights[:, number], axis=0) < _UNMOVED
        names = [name for name, same in zip(features.domains, still, strict=True) if same]
        if names:
            where = f" in {stage}" if stages > 1 else ""
            found.append(f"all runs have the same weight of {', '.join(names)}{where}: it stays")
    if not table.runs.noise.any():
        found.append("no mixture was run twice: noise cannot be told from the errors of the laws")
    return found
