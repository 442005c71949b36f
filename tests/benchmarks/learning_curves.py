"""Learning curves of laws on published tables: how well few runs order runs that no law saw."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from published import olmix, regmix
from rivals import boosted

from mixopt import seeds
from mixopt.surrogate.fitting.fit import combine_measures, fit_measure, fit_runs
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.law import JointLaw, Law
from mixopt.surrogate.laws.table import JOINT_LAWS, LAWS
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.scores import rank_correlation

Vector = NDArray[np.float64]
Found = dict[tuple[str, str, str], float]  # (test, quantity, method) -> value

SIZES: Final = (16, 32, 64, 128, 256, 512)
STACK: Final = "stack"
REGMIX: Final = "LightGBM as RegMix sets it"
EACH: Final = "mean over measures, each by its own law"
SUMMED: Final = "summed objective"
DIRECT: Final = "objective predicted directly"
COVERED: Final = "share of new runs in their 95% intervals"
_KINDS: Final = ("math", "code", "mmlu", "questions")
_HALF: Final = 256
_FEWEST_TESTED: Final = 24
_LARGER: Final = (
    "60M",
    "1B",
)  # tests of other sizes: laws of 1M rank them, their intervals do not hold there


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Runs to draw from and runs to judge on.

    Attributes:
        pool: runs that subsets are drawn from.
        tests: other runs by name; none if what a subset leaves of the pool is judged.
        coefficients: of the measures in the objective.
    """

    pool: Runs
    tests: Mapping[str, Runs]
    coefficients: tuple[float, ...]


def regmix_problem(*, validation: bool) -> Problem:
    """Return RegMix's runs at 1M; judged on others of that size only for validation."""
    pool = regmix("train_1m")
    names = {"1M, other runs": "extra_1m"}
    if not validation:
        names = {"1M": "test_1m", "60M": "test_60m", "1B": "test_1B"}
    tests = {name: regmix(part).only(pool.measures) for name, part in names.items()}
    share = 1 / len(pool.measures)
    return Problem(pool=pool, tests=tests, coefficients=(share,) * len(pool.measures))


def olmix_problem(*, validation: bool) -> Problem:
    """Return the first half of Olmix's swarm of 64 domains; the second half tests."""
    runs, shares = by_kind(olmix("full_recomputation"))
    rows = np.arange(runs.num_rows)
    tests = {} if validation else {"held-out half": runs.rows(rows[_HALF:])}
    return Problem(pool=runs.rows(rows[:_HALF]), tests=tests, coefficients=shares)


def dclm_problem(*, validation: bool) -> Problem:  # noqa: ARG001 - there are too few runs for halves
    """Return Olmix's swarm of 24 domains; what a subset leaves is judged."""
    runs, shares = by_kind(olmix("dclm"))
    return Problem(pool=runs, tests={}, coefficients=shares)


PROBLEMS: Final[Mapping[str, Callable[..., Problem]]] = {
    "regmix": regmix_problem,
    "olmix": olmix_problem,
    "dclm": dclm_problem,
}


def by_kind(runs: Runs) -> tuple[Runs, tuple[float, ...]]:
    """Return runs with the mean of every kind of task, and the kinds' shares of the tasks."""
    kinds = np.array([_kind(measure) for measure in runs.measures])
    return Runs(
        names=runs.names,
        features=runs.features,
        measures=_KINDS,
        directions=("minimize", "minimize", "minimize", "minimize"),
        values=np.stack([runs.values[:, kinds == kind].mean(axis=1) for kind in _KINDS], axis=1),
        noise=np.zeros((runs.num_rows, len(_KINDS))),
    ), tuple(float(np.mean(kinds == kind)) for kind in _KINDS)


def _kind(measure: str) -> str:
    if measure.startswith("minerva"):
        return "math"
    if "mbpp" in measure or measure.startswith("codex"):
        return "code"
    return "mmlu" if measure.startswith("mmlu") else "questions"


def one_subset(
    problem: Problem,
    size: int,
    number: int,
    laws: Mapping[str, Law],
    joint: Mapping[str, JointLaw],
) -> Found:
    """Fit a random subset of runs and judge every family and the stack on the tests."""
    order = seeds.generator(number, "curves").permutation(problem.pool.num_rows)
    runs = problem.pool.rows(order[:size])
    tests = problem.tests or {"the rest": problem.pool.rows(order[size:])}
    fitted = fit_runs(runs, seed=number, laws=laws, joint=joint)
    objective = runs.values @ np.array(problem.coefficients)
    direct = fit_measure(
        "objective", "minimize", runs.features, objective, np.zeros(size), seed=number, laws=laws
    )
    found: Found = {}
    for name, test in tests.items():
        judged = _judged(fitted, problem, test)
        found |= {(name, *key): v for key, v in judged if name not in _LARGER or key[0] != COVERED}
        truth = test.values @ np.array(problem.coefficients)
        for method, predicted in _means(direct, test):
            found[name, DIRECT, method] = rank_correlation(predicted, truth)
        rival = partial(boosted, runs.features.doses, others=test.features.doses)
        found[name, DIRECT, REGMIX] = rank_correlation(rival(objective), truth)
        each = [rival(column) for column in runs.values.T]
        ranked = [rank_correlation(a, b) for a, b in zip(each, test.values.T, strict=True)]
        found[name, EACH, REGMIX] = float(np.mean(ranked))
        total = np.array(problem.coefficients) @ np.stack(each)
        found[name, SUMMED, REGMIX] = rank_correlation(total, truth)
    return found


def _judged(
    fitted: Mapping[str, MeasureLaw], problem: Problem, test: Runs
) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield every quantity of every method on one test."""
    laws = list(fitted.values())
    each: dict[str, list[Vector]] = {}
    for law in laws:
        for method, predicted in _means(law, test):
            each.setdefault(method, []).append(predicted)
    truth = test.values @ np.array(problem.coefficients)
    for method, columns in each.items():
        if len(columns) < len(laws):
            continue
        ranked = [rank_correlation(c, test.column(m)) for c, m in zip(columns, fitted, strict=True)]
        yield (EACH, method), float(np.mean(ranked))
        total = np.array(problem.coefficients) @ np.stack(columns)
        yield (SUMMED, method), rank_correlation(total, truth)
    covered = [_covered(law, test, test.column(name)) for name, law in fitted.items()]
    yield (COVERED, "each measure"), float(np.mean(covered))
    total_law = combine_measures(
        laws, problem.coefficients, measure="objective", direction="minimize"
    )
    yield (COVERED, "summed objective"), _covered(total_law, test, truth)


def _means(law: MeasureLaw, test: Runs) -> Iterator[tuple[str, Vector]]:
    """Yield the predictions of every family and of the stack, by name."""
    for name, family in law.families.items():
        yield name, law.sign * family.predict(test.features).mean
    yield STACK, law.predict(test.features).mean


def _covered(law: MeasureLaw, test: Runs, truth: Vector) -> float:
    low, high = law.interval(test.features)
    return float(np.mean((low <= truth) & (truth <= high)))


def show(found: Mapping[int, Sequence[Found]], table: str) -> None:
    """Print a table per test and quantity: means over subsets with their standard errors."""
    keys = list(dict.fromkeys(key for subsets in found.values() for one in subsets for key in one))
    for test, quantity in dict.fromkeys((test, quantity) for test, quantity, _ in keys):
        print(f"\n### {table}: {quantity}, tested on {test}")
        print("| method | " + " | ".join(str(size) for size in found) + " |")
        print("|:---" * (len(found) + 1) + "|")
        for method in [key[2] for key in keys if key[:2] == (test, quantity)]:
            cells = [_cell(subsets, (test, quantity, method)) for subsets in found.values()]
            print(f"| {method} | " + " | ".join(cells) + " |")


def _cell(subsets: Sequence[Found], key: tuple[str, str, str]) -> str:
    values = [one[key] for one in subsets if key in one]
    if not values:
        return ""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.4f} ±{error:.4f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--table", choices=sorted(PROBLEMS), default="regmix")
    parser.add_argument("--subsets", type=int, default=10, help="random subsets per size")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="runs per subset")
    parser.add_argument("--families", nargs="+", choices=[*LAWS, *JOINT_LAWS], default=None)
    parser.add_argument("--validation", action="store_true", help="judge on development runs only")
    parser.add_argument("--workers", type=int, default=2, help="processes over subsets")


def run(options: argparse.Namespace) -> None:
    """Fit all subsets and print the curves."""
    problem = PROBLEMS[options.table](validation=options.validation)
    wanted = options.families or [*LAWS, *JOINT_LAWS]
    laws = {name: law for name, law in LAWS.items() if name in wanted}
    joint = {name: law for name, law in JOINT_LAWS.items() if name in wanted}
    kept = problem.pool.num_rows - (0 if problem.tests else _FEWEST_TESTED)
    sizes = [size for size in options.sizes if size <= kept]
    jobs = [(size, number) for size in sizes for number in range(options.subsets)]
    fits = Parallel(n_jobs=options.workers)(
        delayed(one_subset)(problem, size, number, laws, joint) for size, number in jobs
    )
    found: dict[int, list[Found]] = {size: [] for size in sizes}
    for (size, _), one in zip(jobs, fits, strict=True):
        found[size].append(one)
    show(found, options.table)
