"""Choosing the next run among published ones: how many runs each method needs to find the best."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from published import olmix, regmix
from rivals import Olmix, Optuna, Random, RegMix, costs_of, signs_of, unseen

from mixopt import seeds
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.mean import Mean
from mixopt.surrogate.proposing.acquire import Outlook, drawn, error_correlation, improving
from mixopt.surrogate.proposing.batch import Acquisition
from mixopt.surrogate.runs import Runs

Vector = NDArray[np.float64]

FIRST: Final = 8  # random runs that every method begins with
PATIENCE: Final = 160  # runs after which a method is stopped


class Searcher(Protocol):
    """A method that chooses the next runs of a pool from what has been run."""

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return `count` rows of the pool that are not among those seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LawGuided:
    """The acquisition of the law-guided sampler over a pool: one law per measure, then their sum.

    The stack of a study is too slow to refit a thousand times; here stands the plain mean of a few
    families, each fitted to all runs seen.
    """

    laws: tuple[Law, ...] = (GaussianProcess(), EffectiveData())
    shared_error: float = 0.5  # correlation of the errors of two measures' laws
    acquisition: Acquisition = "improvement"

    def choose(self, pool: Runs, seen: Sequence[int], count: int, seed: int) -> list[int]:
        """Return the rows that together promise most."""
        rest = unseen(pool, seen)
        rows = np.array([*seen, *rest])
        costs, deviations = np.zeros(len(rows)), []
        correlation = np.zeros((len(rest), len(rest)))
        features, looked = pool.features.rows(np.array(seen)), pool.features.rows(rows)
        for column in range(len(pool.measures)):
            values = signs_of(pool)[column] * pool.values[seen, column]
            noise = pool.noise[seen, column]
            law = Mean(laws=self.laws).fit(features, values, noise, seed)
            found = law.predict(looked)
            costs += found.mean
            deviations.append(found.deviation[len(seen) :])
            if count > 1:
                correlation += error_correlation(law, pool.features.rows(rest))
        outlook = Outlook(
            gains=costs[: len(seen)].min() - costs[len(seen) :],
            deviations=total_deviation(np.array(deviations), self.shared_error),
            correlation=correlation / len(pool.measures) if count > 1 else np.eye(len(rest)),
        )
        rng = seeds.generator(seed, "replay", "draws")
        choose = improving if self.acquisition == "improvement" else drawn
        return [int(rest[row]) for row in choose(outlook, count, rng)]


def total_deviation(each: Vector, shared: float) -> Vector:
    """Return the deviation of a sum of measures [P, N] whose errors have one correlation; [N]."""
    return np.asarray(
        np.sqrt((1 - shared) * np.sum(each**2, axis=0) + shared * np.sum(each, axis=0) ** 2)
    )


def replay(
    pool: Runs,
    searcher: Searcher,
    *,
    batch: int,
    start: int,
    judge: Runs | None = None,
    patience: int = PATIENCE,
) -> list[int]:
    """Return the rows of a pool in the order in which a method runs them, up to the best.

    Args:
        pool: the runs to choose from; the mean of its measures is the objective.
        searcher: the method.
        batch: how many runs are chosen at once.
        start: names the first runs, which are the same for every method.
        judge: the same runs with other seeds, which say which is best; by default the pool itself.
        patience: runs after which it ends in any case.
    """
    best = int(costs_of(judge or pool).argmin())
    order = [int(row) for row in first_rows(pool, start)]
    limit = min(patience, pool.num_rows)
    while best not in order and len(order) < limit:
        count = min(batch, limit - len(order))
        order += searcher.choose(pool, order, count, seeds.derive(start, "replay", len(order)))
    return order


def first_rows(pool: Runs, start: int) -> NDArray[np.int64]:
    """Return the random runs that a start begins with."""
    return seeds.generator(start, "replay", "first").permutation(pool.num_rows)[:FIRST]


def runs_until(order: Sequence[int], costs: Vector, share: float) -> int:
    """Return after how many runs the first of the best share of a pool was run.

    Args:
        order: rows as they were run.
        costs: [N] of the pool.
        share: of the pool; the best alone where it is too small for one.
    """
    wanted = set(np.argsort(costs, kind="stable")[: max(1, round(share * len(costs)))].tolist())
    return next((n + 1 for n, row in enumerate(order) if row in wanted), len(costs))


METHODS: Final[dict[str, tuple[int, Searcher]]] = {
    "law": (1, LawGuided()),
    "law, batches of 8": (8, LawGuided()),
    "TPE": (1, Optuna(name="tpe")),
    "GP of Optuna": (1, Optuna(name="gp")),
    "RegMix": (8, RegMix()),
    "Olmix": (8, Olmix()),
    "random": (8, Random()),
}
"""Runs chosen at once, and the method."""

POOLS: Final[dict[str, Callable[[], Runs]]] = {
    "RegMix: Pile-CC": lambda: regmix("train_1m").only(["pile_cc"]),
    "RegMix: mean of 13": lambda: regmix("train_1m"),
    "RegMix: GitHub": lambda: regmix("train_1m").only(["github"]),
    "RegMix: DM Mathematics": lambda: regmix("train_1m").only(["dm_mathematics"]),
    "RegMix: arXiv": lambda: regmix("train_1m").only(["arxiv"]),
    "RegMix: Wikipedia": lambda: regmix("train_1m").only(["wikipedia_en"]),
    "Olmix DCLM: mean of the suite": lambda: by_family(olmix("dclm")),
    "Olmix full: mean of the suite": lambda: by_family(olmix("full_recomputation")),
}


def by_family(suite: Runs) -> Runs:
    """Return a suite as a few families of tasks, scaled so that their mean is that of the tasks."""
    families = [_family(name) for name in suite.measures]
    names = tuple(dict.fromkeys(families))
    member = np.array([[family == name for name in names] for family in families], float)
    values = suite.values @ member * len(names) / len(families)
    return Runs(
        names=suite.names,
        features=suite.features,
        measures=names,
        directions=tuple("minimize" for _ in names),
        values=values,
        noise=np.zeros_like(values),
    )


def _family(task: str) -> str:
    starts = {"mmlu": "mmlu", "minerva": "math", "basic_skills": "basic skills", "mt_mbpp": "code"}
    starts |= {"codex": "code", "mbpp": "code"}
    return next((name for start, name in starts.items() if task.startswith(start)), "questions")


def tally(
    pool: Runs,
    method: str,
    starts: int,
    *,
    judge: Runs | None = None,
    patience: int = PATIENCE,
) -> tuple[float, ...]:
    """Return median runs to the best and to the first of the best 1%, then the quartiles of these.

    Args:
        pool: the runs to choose from.
        method: of `METHODS`.
        starts: how many sets of first runs.
        judge: the same runs with other seeds.
        patience: runs after which a method is stopped.
    """
    batch, searcher = METHODS[method]
    costs = costs_of(judge or pool)
    found = []
    for start in range(starts):
        order = replay(pool, searcher, batch=batch, start=start, judge=judge, patience=patience)
        found.append((runs_until(order, costs, 0.0), runs_until(order, costs, 0.01)))
    each = np.array(found)
    return (*np.median(each, axis=0), *np.quantile(each[:, 1], [0.25, 0.75]))


def report(
    pools: Sequence[str], methods: Sequence[str], starts: int, patience: int, workers: int
) -> None:
    """Print a table of runs until the best and the first of the best 1%."""
    print("| pool | method | to the best | to the best 1% | quartiles |\n|:--|:--|--:|--:|--:|")
    for name in pools:
        pool = POOLS[name]()
        rows = Parallel(n_jobs=workers)(
            delayed(tally)(pool, each, starts, patience=patience) for each in methods
        )
        for method, (best, top, low, high) in zip(methods, rows, strict=True):
            least = f"> {patience}" if best > patience else f"{best:g}"
            first = f"> {patience}" if top > patience else f"{top:g}"
            print(f"| {name} | {method} | {least} | {first} | {low:g}-{high:g} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", nargs="*", default=list(POOLS), help="names of pools")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), help="names of methods")
    parser.add_argument("--starts", type=int, default=20, help="sets of random first runs")
    parser.add_argument("--patience", type=int, default=PATIENCE, help="most runs")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    asked = parser.parse_args(arguments)
    report(asked.pools, asked.methods, asked.starts, asked.patience, asked.workers)


if __name__ == "__main__":
    main()
