"""What every stage of a life gives and takes, for pretraining mixtures that are far apart.

    python tests/benchmarks/stages.py [--recipe full] [--mixtures natural,uniform,...] [--seeds 4]

Every mixture fills all lm stages of the recipe; members are examined on the test split after each
stage. A change is paired by seed, with its standard error; * marks two standard errors or more.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from demo_text import by_seed, examination_of, members_of, open_demo, schedule_with, train_all

from mixopt.evaluation.measure import DIRECTIONS
from mixopt.evaluation.result import MemberResult
from mixopt.schedule.schedule import Schedule

_MEASURES = (
    "bits_per_byte",
    "long_bits_per_byte",
    "margin",
    "answer_bits_per_byte",
    "answer_probability",
    "accuracy",
    "preference_accuracy",
)


def table(results: Sequence[MemberResult], trial: str, stages: Sequence[str]) -> list[str]:
    """Return a line per measure and stage of one mixture."""
    lines = []
    names = [name for name in DIRECTIONS if name in _MEASURES or name.startswith("pass_at")]
    for name in names:
        before: dict[int, float] = {}
        for stage in stages:
            now = by_seed(results, trial, f"{stage}/{name}/mean")
            if now:
                lines.append(f"{trial:12} {stage:12} {name:20} {_mean(now)} {_change(before, now)}")
                before = now
    return lines


def figures(results: Sequence[MemberResult], trial: str) -> list[str]:
    """Return what stages noted of how they went, as means over seeds."""
    found: dict[tuple[str, str], list[float]] = {}
    for result in results:
        if result.trial == trial:
            for figure in result.figures:
                found.setdefault((figure.stage, figure.name), []).append(figure.value)
    return [
        f"{trial:12} {stage:12} {name:24} {np.mean(values):9.4f}"
        for (stage, name), values in found.items()
    ]


def _mean(values: dict[int, float]) -> str:
    numbers = list(values.values())
    return f"{np.mean(numbers):7.4f} +- {_error(numbers):.4f}"


def _change(before: dict[int, float], now: dict[int, float]) -> str:
    common = sorted(before.keys() & now.keys())
    if not common:
        return ""
    changes = [now[seed] - before[seed] for seed in common]
    mean, error = float(np.mean(changes)), _error(changes)
    return f"{mean:+8.4f} +- {error:.4f}{' *' if abs(mean) > 2 * error else ''}"


def _error(numbers: Sequence[float]) -> float:
    return float(np.std(numbers, ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else 0.0


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("mixopt-demo"))
    parser.add_argument("--recipe", default="full")
    parser.add_argument("--mixtures", default="natural,uniform,text-heavy,task-heavy")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    space, recipe, store, proxy = open_demo(options.folder, options.recipe)
    names = options.mixtures.split(",")
    schedules: dict[str, Schedule] = {name: schedule_with(space, name) for name in names}
    members = members_of(schedules, range(5_000, 5_000 + options.seeds))
    started = perf_counter()
    results = train_all(store, proxy, members, examination_of(recipe))
    stages = [stage.name for stage in recipe.stage]
    sys.stdout.write(f"{'mixture':12} {'stage':12} {'measure':20} value and change\n")
    for name in names:
        sys.stdout.write("\n".join([*table(results, name, stages), *figures(results, name)]) + "\n")
    cpu = sum(result.cpu_seconds for result in results)
    sys.stdout.write(
        f"{len(results)} proxies, {perf_counter() - started:.0f} s, {cpu:.0f} CPU seconds\n"
    )


if __name__ == "__main__":
    main()
