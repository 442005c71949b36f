"""How well measures tell pretraining mixtures apart: between-mixture over seed standard deviation.

    python tests/benchmarks/signal_to_noise.py [--recipe demo] [--design 12] [--seeds 4] [--set lm_tokens=1e6]

Ten mixtures that are far apart, or points of the recipe's own space with --design, every one with
several seeds; a change of the proxy's training can be tried with --set. The ratio of a mean over n
seeds is sqrt(n) times that of one. Ranks are correlated with the objective's over the mixtures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from demo_text import (
    MIXTURES,
    by_seed,
    examination_of,
    members_of,
    open_demo,
    schedule_with,
    train_all,
)
from scipy.stats import spearmanr

from mixopt.evaluation.result import MemberResult
from mixopt.evaluation.score import signal_to_noise
from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.seeds import generator
from mixopt.surrogate.proposing.candidates import open_box


def design_of(space: Space, count: int) -> dict[str, Schedule]:
    """Return the schedules at the first points of a scrambled Sobol sequence over a space."""
    box = open_box(space)
    points = box.fill(count, generator(0, "signal to noise"))[:count]
    return {
        f"design-{number}": space.resolve(box.values(point)) for number, point in enumerate(points)
    }


def changed(proxy: ProxyRecipe, settings: Sequence[str]) -> ProxyRecipe:
    """Return the proxy with other values of its training."""
    given = proxy.model_dump()
    for setting in settings:
        name, _, value = setting.partition("=")
        given["training"][name] = json.loads(value)
    return ProxyRecipe.model_validate(given)


def lines(results: Sequence[MemberResult], trials: Sequence[str], objective: str) -> list[str]:
    """Return a line per measure: its spreads, their ratio, and its rank correlation with the objective."""
    keys = dict.fromkeys(measure.key for result in results for measure in result.measures)
    ends = [_mean(results, trial, objective) for trial in trials]
    found = []
    for key in keys:
        groups = [list(by_seed(results, trial, key).values()) for trial in trials]
        signal = signal_to_noise(groups)
        means = [_mean(results, trial, key) for trial in trials]
        rank = float(spearmanr(means, ends).statistic)
        found.append(
            f"{key:52} {signal.between:8.4f} {signal.seed:8.4f} {signal.per_seed:7.2f} {rank:+7.2f}"
        )
    return found


def _mean(results: Sequence[MemberResult], trial: str, key: str) -> float:
    values = list(by_seed(results, trial, key).values())
    return sum(values) / len(values)


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("mixopt-demo"))
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--design", type=int, default=0, help="points of the recipe's space")
    parser.add_argument("--set", action="append", default=[], help="name=value of [training]")
    options = parser.parse_args()
    space, recipe, store, proxy = open_demo(options.folder, options.recipe)
    schedules = {name: schedule_with(space, name) for name in ("natural", "uniform", *MIXTURES)}
    if options.design:
        schedules = design_of(space, options.design)
    names = list(schedules)
    members = members_of(schedules, range(options.seeds))
    examination = replace(examination_of(recipe), split="validation")
    results = train_all(store, changed(proxy, options.set), members, examination)
    head = f"{'measure':52} {'between':>8} {'seed':>8} {'ratio':>7} {'rank':>7}\n"
    sys.stdout.write(head + "\n".join(lines(results, names, recipe.study.objective)) + "\n")


if __name__ == "__main__":
    main()
