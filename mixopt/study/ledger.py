"""The ledger: results of a study in one DuckDB file, open only while it is read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mixopt.database.connection import Database, Mode, is_outdated
from mixopt.errors import StudyError
from mixopt.evaluation.result import ChosenMixture, MemberResult
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.write import schedule_toml
from mixopt.study.trial import Trial

_PACKAGE = "mixopt.study.sql"
FILE = "results.duckdb"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """A trial as the ledger keeps it, with the numbers of its seeds."""

    trial: str
    phase: str
    label: str
    number: int
    schedule_digest: str
    recipe: str  # the schedule as TOML
    point: str  # coordinates as JSON
    seeds: tuple[int, ...]
    measures: Mapping[str, tuple[float, ...]]  # key -> value of each seed that has it
    cpu_seconds: float
    tokens: int  # scheduled
    trained_tokens: int = 0  # stages that several trials share count for the first
    prefixes: tuple[str | None, ...] = ()  # of each seed; equal ones have their noise in common
    measured: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # key -> those seeds
    proxy: str | None = None  # of a scout or larger run; None for the study's own
    stopped: tuple[int, ...] = ()  # seeds that were given up; their later measures no seed keeps

    def by_seed(self, key: str) -> dict[int, float]:
        """Return a measure of every seed that has it; empty where none is known to."""
        values = self.measures.get(key, ())
        seeds = self.measured.get(key, self.seeds if len(values) == len(self.seeds) else ())
        return dict(zip(seeds, values, strict=True)) if seeds else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureRecord:
    """One number that a stage of a run noted of how it went."""

    trial: str
    seed: int
    stage: str
    name: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCost:
    """What one stage cost over a study; what several runs share counts once."""

    stage: str
    trained: int  # times that it was trained
    tokens: int
    cpu_seconds: float  # examination included


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyRecord:
    """A proxy that a study has trained."""

    proxy: str
    phase: str  # "scout" or "scale"; "search" for the study's own
    parameters: int
    lm_tokens: int  # of one proxy


class Ledger:
    """Trials, runs, measures, weights, figures and chosen mixtures of one study."""

    def __init__(self, folder: Path) -> None:
        """Name the ledger of a study folder; `create` makes the file."""
        self.path = folder / FILE

    def create(self, identity: Mapping[str, str]) -> None:
        """Make the file, or check that it belongs to the same study.

        Raises:
            StudyError: the folder holds a study of something else; names what differs.
        """
        with self._open("write") as database:
            known = {row["part"]: row["content"] for row in database.fetch("list_identity")}
            changed = [part for part, text in identity.items() if known.get(part, text) != text]
            if changed:
                what = f"{self.path.parent} holds another study"
                raise StudyError(
                    what,
                    why=f"Different from when it began: {', '.join(sorted(changed))}.",
                    remedy="Run this one in another folder (--folder), or undo the change.",
                )
            with database.transaction():
                for part, text in identity.items():
                    database.execute("insert_identity", part=part, content=text)

    def add_trials(self, trials: Sequence[Trial]) -> None:
        """Note trials with their weights; those that are known are left as they are."""
        with self._open("write") as database, database.transaction():
            for trial in trials:
                if database.fetch("find_trial", trial=trial.name):
                    continue
                database.execute(
                    "insert_trial",
                    trial=trial.name,
                    phase=trial.phase,
                    label=trial.label,
                    number=trial.number,
                    schedule_digest=trial.schedule.digest,
                    recipe=schedule_toml(trial.schedule),
                    point=trial.point_json(),
                    proxy=trial.proxy,
                )
                database.insert_many("insert_weights", _weights(trial))

    def add_proxies(self, proxies: Sequence[ProxyRecord]) -> None:
        """Note how large proxies are and how long they are trained."""
        with self._open("write") as database, database.transaction():
            for found in proxies:
                database.execute("insert_proxy", **asdict(found))

    def add_results(self, results: Sequence[MemberResult]) -> None:
        """Note what became of members, all of them or none."""
        with self._open("write") as database, database.transaction():
            for result in results:
                database.execute(
                    "insert_run",
                    trial=result.trial,
                    seed=result.seed,
                    diverged_at=result.diverged_at,
                    cpu_seconds=result.cpu_seconds,
                    tokens=result.tokens,
                    prefix=result.prefix,
                    stopped_after=result.stopped_after,
                )
                database.insert_many("insert_nodes", _nodes(result))
                database.insert_many("insert_measures", _measures(result))
                database.insert_many("insert_figures", _figures(result))
                database.insert_many("insert_choices", _choices(result))

    def finished(self) -> set[tuple[str, int]]:
        """Return (trial, seed) of every run that is noted."""
        with self._open("read") as database:
            return {(row["trial"], row["seed"]) for row in database.fetch("list_runs")}

    def identity(self) -> dict[str, str]:
        """Return what the study was begun with: hashes of recipe, proxy, catalog and corpus."""
        with self._open("read") as database:
            return {row["part"]: row["content"] for row in database.fetch("list_identity")}

    def proxies(self) -> list[ProxyRecord]:
        """Return the proxies that are noted, the smallest first."""
        with self._open("read") as database:
            return [ProxyRecord(**row) for row in database.fetch("list_proxies")]

    def stage_costs(self) -> list[StageCost]:
        """Return what each stage cost over the whole study, the dearest first."""
        with self._open("read") as database:
            costs = [StageCost(**row) for row in database.fetch("list_stage_costs")]
        return sorted(costs, key=lambda cost: -cost.cpu_seconds)

    def records(self, phase: str | None = None, *, proxy: str | None = None) -> list[TrialRecord]:
        """Return all trials, or those of one phase: as phases follow each other, by number.

        Trials of one phase share a proxy, but for scouts and larger runs, which come proxy by proxy.

        Args:
            phase: None for all.
            proxy: of scouts or larger runs; None for all.
        """
        with self._open("read") as database:
            trials = database.fetch("list_trials")
            runs = _grouped(database.fetch("list_runs"))
            measures = _grouped(database.fetch("list_measures"))
        return [
            _record(row, runs.get(row["trial"], []), measures.get(row["trial"], []))
            for row in trials
            if phase in (None, row["phase"]) and proxy in (None, row["proxy"])
        ]

    def figures(self, phase: str | None = None) -> list[FigureRecord]:
        """Return what the stages of all runs noted, or of those of one phase, by trial and stage."""
        with self._open("read") as database:
            rows = database.fetch("list_figures", phase=phase)
        return [FigureRecord(**row) for row in rows]

    def choices(self, trial: str) -> dict[int, tuple[ChosenMixture, ...]]:
        """Return what the online policies of a trial chose: seed -> mixtures, in order by stage.

        Seeds for which nothing was chosen are left out.
        """
        with self._open("read") as database:
            rows = database.fetch("list_choices", trial=trial)
        weights: dict[tuple[int, str, float], dict[str, float]] = {}
        for row in rows:
            place = (row["seed"], row["stage"], row["since"])
            weights.setdefault(place, {})[row["domain"]] = row["weight"]
        found: dict[int, list[ChosenMixture]] = {}
        for (seed, stage, since), each in weights.items():
            chosen = ChosenMixture(stage=stage, since=since, mixture=mixture_of(each))
            found.setdefault(seed, []).append(chosen)
        return {seed: tuple(chosen) for seed, chosen in found.items()}

    def _open(self, mode: Mode) -> Database:
        """Open the file; one of an older mixopt is brought up to date, also to be read."""
        if mode == "read" and is_outdated(self.path, _PACKAGE):
            with self._open("write"):
                pass
        return Database(self.path, mode, package=_PACKAGE, error=StudyError)


def _grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["trial"], []).append(row)
    return groups


def _record(
    trial: dict[str, Any], runs: list[dict[str, Any]], measures: list[dict[str, Any]]
) -> TrialRecord:
    values: dict[str, list[float]] = {}
    seeds: dict[str, list[int]] = {}
    for row in measures:
        values.setdefault(row["key"], []).append(row["value"])
        seeds.setdefault(row["key"], []).append(row["seed"])
    stopped = tuple(run["seed"] for run in runs if run["stopped_after"] is not None)
    if stopped:  # of seeds that go on and seeds that are stopped only the better would be left
        values = {key: found for key, found in values.items() if len(found) == len(runs)}
    return TrialRecord(
        **trial,
        seeds=tuple(run["seed"] for run in runs),
        measures={key: tuple(found) for key, found in values.items()},
        cpu_seconds=sum(run["cpu_seconds"] for run in runs),
        tokens=sum(run["tokens"] for run in runs),
        trained_tokens=sum(run["trained_tokens"] for run in runs),
        prefixes=tuple(run["prefix"] for run in runs),
        measured={key: tuple(found) for key, found in seeds.items() if key in values},
        stopped=stopped,
    )


def _weights(trial: Trial) -> list[dict[str, object]]:
    return [
        {
            "trial": trial.name,
            "stage": stage.name,
            "stage_number": number,
            "at": knot.at,
            "domain": domain,
            "weight": weight,
            "stage_tokens": stage.tokens,
        }
        for number, stage in enumerate(trial.schedule.stages)
        for knot in stage.curve.knots
        for domain, weight in knot.mixture.as_dict().items()
    ]


def _measures(result: MemberResult) -> list[dict[str, object]]:
    return [
        {
            "trial": result.trial,
            "seed": result.seed,
            "stage": measure.stage,
            "measure": measure.name,
            "subject": measure.subject,
            "value": measure.value,
            "standard_error": measure.standard_error,
        }
        for measure in result.measures
    ]


def _nodes(result: MemberResult) -> list[dict[str, object]]:
    return [
        {
            "trial": result.trial,
            "seed": result.seed,
            "number": number,
            "node": node.key,
            "tokens": node.tokens,
            "stage": node.stage,
            "cpu_seconds": node.cpu_seconds,
        }
        for number, node in enumerate(result.path)
    ]


def _figures(result: MemberResult) -> list[dict[str, object]]:
    return [
        {
            "trial": result.trial,
            "seed": result.seed,
            "stage": figure.stage,
            "name": figure.name,
            "value": figure.value,
        }
        for figure in result.figures
    ]


def _choices(result: MemberResult) -> list[dict[str, object]]:
    return [
        {
            "trial": result.trial,
            "seed": result.seed,
            "stage": chosen.stage,
            "since": chosen.since,
            "domain": domain,
            "weight": weight,
        }
        for chosen in result.chosen
        for domain, weight in zip(chosen.mixture.domains, chosen.mixture.weights, strict=True)
    ]
