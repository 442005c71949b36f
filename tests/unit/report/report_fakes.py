"""A study with planted effects in a real ledger, and the recommendation that it would come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mixopt import seeds
from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.evaluation.measure import Measure, direction_of
from mixopt.evaluation.result import MemberResult
from mixopt.evaluation.score import difference, score
from mixopt.schedule import simplex
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml
from mixopt.study.ledger import Ledger, TrialRecord
from mixopt.study.recommendation import (
    Comparison,
    Outcome,
    ProposalSummary,
    Recommendation,
    say,
    write_recommendation,
)
from mixopt.study.trial import Trial, confirm_trial, search_trial, seeds_of

HOSTILE = 'junk</script><script src="http://evil.example/x.js">alert(1)</script>'
OBJECTIVE = "sft/margin/mean"
CONTRAST = "late/bits_per_byte/mean"
MILLIONS = {"web": 800, "code": 300, "books": 120, "math": 90, HOSTILE: 200}
FAMILIES = ("addition", "recall", "sorting")
SEARCH_TRIALS = 16
SECONDS_PER_RUN = 2.5
TOKENS_PER_RUN = 1_000

INVENTORY = Inventory(
    catalog="fake",
    tokenizer="bytes",
    content_hash="c" * 64,
    domains=tuple(
        DomainSupply(
            name=name,
            provenance="organic",
            schema="conversation" if name == "chat" else "text",
            licence="",
            supply_tokens=count * 10**6,
            sample_tokens=count * 10**3,
            documents=count,
            num_bytes=count * 10**3,
            content_hash=name,
        )
        for name, count in {**MILLIONS, "chat": 20}.items()
    ),
)
_FREE = {"prior": "natural", "concentration": 8.0, "least": 0.002}
_RATE = {"low": 0.2, "high": 0.8}
SPACE = Space(
    inventory=INVENTORY,
    recipe=ScheduleRecipe.model_validate(
        {
            "name": "fake",
            "target": {
                "parameters": "124M",
                "tokens": "1B",
                "context_tokens": 1024,
                "batch_tokens": "64K",
                "learning_rate": 1e-3,
            },
            "limits": {"max_epochs": 4.0, "max_epochs_of": {"math": 5.0}},
            "stage": [
                {"name": "early", "kind": "lm", "share": _RATE, "free": _FREE},
                {"name": "late", "kind": "lm", "share": "rest", "free": _FREE},
                {"name": "sft", "kind": "sft", "tokens": "30M", "mixture": {"chat": 1.0}},
            ],
        }
    ),
)


def make_study(folder: Path, *, trials: int = SEARCH_TRIALS, conclude: bool = True) -> Path:
    """Write a study of some trials with two seeds each; concluded, with four fresh seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder)
    ledger.create({"catalog": INVENTORY.content_hash})
    _run(ledger, [_search(number) for number in range(trials)], count=2)
    if conclude:
        confirmed = [
            confirm_trial(number, label, schedule, {})
            for number, (label, schedule) in enumerate(schedules().items())
        ]
        _run(ledger, confirmed, count=4)
        found = conclusion(ledger.records("confirm"))
        write_recommendation(folder, found, schedule_toml(schedules()["recommended"]))
    return folder


def schedules() -> dict[str, Schedule]:
    """Return what is confirmed: a later phase of mathematics, the baselines."""
    good = {**SPACE.baseline("natural"), **_late(0.15, 0.25, 0.15, 0.4)}
    text = {**SPACE.baseline("natural"), **_late(0.55, 0.3, 0.1, 0.02)}
    chosen = {"recommended": SPACE.resolve(good), "best-bits-per-byte": SPACE.resolve(text)}
    names = ("natural", "uniform", "unimax")
    return chosen | {name: SPACE.resolve(SPACE.baseline(name)) for name in names}


def conclusion(confirmed: list[TrialRecord]) -> Recommendation:
    """Conclude from fresh seeds, as a study does."""
    comparisons = [
        _comparison(confirmed[0], right, key) for right in confirmed[1:] for key in right.measures
    ]
    outcomes = [
        _outcome(record, key, values)
        for record in confirmed
        for key, values in record.measures.items()
    ]
    against = next(c for c in comparisons if (c.measure, c.right) == (OBJECTIVE, "natural"))
    return Recommendation(
        study="fake <b>study</b>",
        objective=OBJECTIVE,
        direction="maximize",
        sentence=say(against, OBJECTIVE),
        switch=against.verdict == "better",
        proposals=(_proposal("recommended", OBJECTIVE), _proposal("best-bits-per-byte", CONTRAST)),
        outcomes=tuple(outcomes),
        comparisons=tuple(comparisons),
        laws=(),
        signals=(),
        trials=SEARCH_TRIALS + len(confirmed),
        runs=0,
        cpu_seconds=0.0,
        tokens=0,
    )


def expected(schedule: Schedule, key: str) -> float:
    """Return the planted value of a measure, without noise."""
    late = schedule.stage("late").curve.mean()
    dose = schedule.mean_mixture("lm")
    stage, name, subject = key.split("/")
    easier = 0.05 * (*FAMILIES, "mean").index(subject) if stage == "sft" else 0.0
    if name == "bits_per_byte":
        return 2.5 - 0.6 * dose.share("web") + 0.5 * dose.share("math") + dose.share(HOSTILE)
    skill = math.sqrt(late.share("math")) - 0.5 * dose.share(HOSTILE) + easier
    return 0.2 + 0.6 * skill if name == "margin" else 0.3 + 0.5 * skill


def _search(number: int) -> Trial:
    baselines = ("natural", "uniform", "unimax")
    if number < len(baselines):
        label, point = baselines[number], SPACE.baseline(baselines[number])
    else:
        label = "design" if number < 10 else "law"
        cube = seeds.generator(number, "point").random(len(SPACE.coordinates()))
        axes = zip(SPACE.coordinates(), cube, strict=True)
        point = {axis.name: float(axis.low + u * (axis.high - axis.low)) for axis, u in axes}
    return search_trial(number, label, SPACE.resolve(point), point)


def _run(ledger: Ledger, trials: list[Trial], *, count: int) -> None:
    ledger.add_trials(trials)
    ledger.add_results(
        [
            MemberResult(
                trial=trial.name,
                seed=seed,
                measures=_measures(trial, seed),
                diverged_at=None,
                cpu_seconds=SECONDS_PER_RUN,
                tokens=TOKENS_PER_RUN,
            )
            for trial in trials
            for seed in seeds_of(trial.phase, count, 0)
        ]
    )


def _measures(trial: Trial, seed: int) -> tuple[Measure, ...]:
    subjects = {"margin": (*FAMILIES, "mean"), "accuracy": (*FAMILIES, "mean")}
    keys = [("sft", name, subject) for name, group in subjects.items() for subject in group]
    keys += [("late", "bits_per_byte", subject) for subject in ("web", "code", "mean")]
    return tuple(
        Measure(
            stage=stage,
            name=name,
            subject=subject,
            value=expected(trial.schedule, f"{stage}/{name}/{subject}")
            + 0.01 * float(seeds.generator(seed, trial.name, name, subject).standard_normal()),
            standard_error=0.01,
        )
        for stage, name, subject in keys
    )


def _late(web: float, code: float, books: float, mathematics: float) -> Mapping[str, float]:
    """Return the coordinates at which the late phase has about these weights."""
    stage = SPACE.recipe.stage[1]
    assert stage.free is not None
    prior = SPACE.prior(stage.free, stage).on(SPACE.domains(stage)) * stage.free.concentration
    rest = 1 - web - code - books - mathematics
    cube = simplex.to_cube(np.array([web, code, books, mathematics, rest]), prior)
    return {f"late.mixture.{j}": float(u) for j, u in enumerate(cube)}


def _comparison(left: TrialRecord, right: TrialRecord, key: str) -> Comparison:
    sign = 1.0 if direction_of(key) == "maximize" else -1.0
    found = difference(
        [sign * value for value in left.measures[key]],
        [sign * value for value in right.measures[key]],
    )
    return Comparison(
        measure=key,
        left=left.label,
        right=right.label,
        gain=found.value,
        low=found.low,
        high=found.high,
        num_seeds=found.num_seeds,
    )


def _outcome(record: TrialRecord, key: str, values: tuple[float, ...]) -> Outcome:
    found = score(values)
    return Outcome(
        label=record.label,
        measure=key,
        value=found.value,
        standard_error=found.standard_error,
        num_seeds=found.num_seeds,
    )


def _proposal(label: str, measure: str) -> ProposalSummary:
    return ProposalSummary(
        label=label, measure=measure, predicted=0.6, deviation=0.02, divergence=0.3
    )
