"""Proxy tokens until a good schedule of the demo's space: the law, TPE, RegMix's procedure and a space-filling design, judged on fresh seeds.

    python tests/benchmarks/demo_search.py --folder mixopt-demo-search

Three studies of the demo's space differ in their sampler alone. After some numbers of trials each
contender names the schedule it would train: the design and TPE the best run they have seen, RegMix
(arXiv 2407.01492) the mean of the 128 points, of many simulated ones, that LightGBM predicts best
from the runs of the design, the law its restrained optimum. All of these are trained on fresh seeds and
examined on the test split. It takes about an hour on two cores; a second call goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from demo_text import by_seed, examination_of, members_of, open_demo, train_all
from numpy.typing import NDArray
from rivals import boosted

from mixopt.evaluation.result import MemberResult
from mixopt.schedule.curve import constant
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.schedule import Schedule
from mixopt.study.engines.local import LocalEngine
from mixopt.study.ledger import TrialRecord
from mixopt.study.recipe import StudyRecipe
from mixopt.study.results import features_of, law_of, restraint_of, schedule_of
from mixopt.study.search import run_search
from mixopt.study.setup import StudySetup
from mixopt.surrogate.features import Features
from mixopt.surrogate.proposing.candidates import open_box
from mixopt.surrogate.proposing.propose import propose

Matrix = NDArray[np.float64]

TRIALS: Final = {"sobol": 160, "tpe": 64, "law": 48}
LOOKS: Final = {
    "sobol": (32, 64, 160),
    "regmix": (32, 64, 160),
    "tpe": (32, 64),
    "law": (16, 24, 32, 48),
}
_SIMULATED: Final = 20_000
_AVERAGED: Final = 128
_FRESH: Final = 9000


def main() -> None:
    """Run the studies that are not finished, judge what they name, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("mixopt-demo-search"))
    parser.add_argument("--seeds", type=int, default=6, help="fresh seeds of every schedule")
    wanted = parser.parse_args()
    space, recipe, store, proxy = open_demo(wanted.folder, "demo")
    studies = {}
    for name, trials in TRIALS.items():
        settings = {"sampler": name, "trials": trials, "share": 1}
        own = recipe.model_copy(update={"study": recipe.study.model_copy(update=settings)})
        folder = wanted.folder / name
        setup = StudySetup(
            recipe=own,
            space=replace(space, recipe=own),
            proxy=proxy,
            store=store,
            folder=folder,
            storage=f"sqlite:///{folder}/optuna.db",
        )
        studies[name] = (setup, _trials(setup))
    schedules, tokens = _contenders(studies)
    seeds = range(_FRESH, _FRESH + wanted.seeds)
    unique = {schedule.digest: schedule for schedule in schedules.values()}
    found = train_all(store, proxy, members_of(unique, seeds), examination_of(recipe))
    _show(recipe, schedules, tokens, found)


def _trials(setup: StudySetup) -> list[TrialRecord]:
    """Return the trials of a study, after running those that are missing."""
    kept = setup.ledger.records("search") if setup.ledger.path.is_file() else []
    if len(kept) >= setup.settings.trials and all(record.seeds for record in kept):
        return kept
    with LocalEngine() as engine:
        return run_search(setup, engine, lambda steps: None)  # noqa: ARG005 - no bar


def _contenders(
    studies: Mapping[str, tuple[StudySetup, list[TrialRecord]]],
) -> tuple[dict[tuple[str, int], Schedule], dict[tuple[str, int], int]]:
    """Return what every contender names after every look, and the proxy tokens until then."""
    schedules, tokens = {}, {}
    for name, looks in LOOKS.items():
        setup, records = studies["sobol" if name == "regmix" else name]
        key = setup.settings.objective
        for count in looks:
            first = [record for record in records[:count] if record.measures.get(key)]
            tokens[name, count] = sum(record.tokens for record in records[:count])
            if name == "law":
                seed = setup.key("law", count)
                law = law_of(key, first, setup.space, seed=seed)
                unguarded = setup.settings.model_copy(update={"guardrails": ()})
                restraint = restraint_of(law, unguarded, first, setup.space, seed=seed)
                schedules[name, count] = propose(
                    law, setup.space, restraint=restraint, seed=seed
                ).schedule
            elif name == "regmix":
                schedules[name, count] = _regmix(setup, first)
            else:
                best = min(first, key=lambda record: float(np.mean(record.measures[key])))
                schedules[name, count] = schedule_of(best, setup.space)
    return schedules, tokens


def _regmix(setup: StudySetup, records: Sequence[TrialRecord]) -> Schedule:
    """Return the mean of the simulated points that LightGBM, as RegMix sets it, predicts best."""
    values = np.array([np.mean(record.measures[setup.settings.objective]) for record in records])
    box, rng = open_box(setup.space), np.random.default_rng(0)
    simulated = box.look(box.fill(_SIMULATED, rng), setup.space.inventory.names("text")).features
    runs = _columns(features_of(records, setup.space))
    guesses = boosted(runs, values, _columns(simulated))
    best = simulated.rows(np.argsort(guesses, kind="stable")[:_AVERAGED])
    return _averaged(setup, best)


def _averaged(setup: StudySetup, best: Features) -> Schedule:
    base = setup.space.resolve(setup.space.baseline("natural"))
    total, place, stages = base.tokens_of("lm"), 0, []
    shares, weights = best.tokens.mean(axis=0), best.weights.mean(axis=0)
    for stage in base.stages:
        if stage.kind != "lm":
            stages.append(stage)
            continue
        given = dict(zip(best.domains, weights[place].tolist(), strict=True))
        curve = constant(mixture_of({name: weight for name, weight in given.items() if weight > 0}))
        stages.append(replace(stage, curve=curve, tokens=round(total * float(shares[place]))))
        place += 1
    return replace(base, stages=tuple(stages), max_epochs=100.0, max_epochs_of=())


def _columns(features: Features) -> Matrix:
    flat = features.weights.reshape(features.num_rows, -1)
    return np.hstack([flat, features.tokens])


def _show(
    recipe: StudyRecipe,
    schedules: Mapping[tuple[str, int], Schedule],
    tokens: Mapping[tuple[str, int], int],
    found: Sequence[MemberResult],
) -> None:
    key = recipe.study.objective
    judged = {
        place: np.array(list(by_seed(found, schedule.digest, key).values()))
        for place, schedule in schedules.items()
    }
    best = min(judged, key=lambda place: float(judged[place].mean()))
    print(f"{key} on fresh seeds, test split; less is better; best known: {best[0]} at {best[1]}")
    print("| contender | trials | proxy tokens | fresh seeds | above the best known |")
    print("|---|---|---|---|---|")
    for place, values in judged.items():
        error = values.std(ddof=1) / np.sqrt(len(values))
        above = values.mean() / judged[best].mean() - 1
        shown = f"{values.mean():.4f} +- {error:.4f} | {above:+.1%}"
        print(f"| {place[0]} | {place[1]} | {tokens[place] / 1e6:.0f}M | {shown} |")


if __name__ == "__main__":
    main()
