"""A few runs at a larger size: how well they carry laws of many small ones to it, on RegMix's release."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from published import regmix

from mixopt import seeds
from mixopt.surrogate.fitting.fit import fit_runs
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.runs import Runs
from mixopt.surrogate.scaling.informative import choose_informative
from mixopt.surrogate.scaling.transferred_law import fit_transfers
from mixopt.surrogate.scores import rank_correlation

Vector = NDArray[np.float64]
Found = dict[tuple[str, int], tuple[float, float]]  # (method, larger runs) -> rank, absolute error

LARGER = (0, 4, 8, 16)
_TESTED = 32  # of the 64 larger runs, the same for every way and number
_FEWEST = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--subsets", type=int, default=10, help="random subsets per number of runs")
    parser.add_argument("--small", type=int, nargs="+", default=(64, 512), help="runs at 1M")
    parser.add_argument("--alone", action="store_true", help="fit the larger runs alone, too")
    parser.add_argument("--workers", type=int, default=2, help="processes over subsets")


def run(options: argparse.Namespace) -> None:
    """Fit all subsets and print a table per number of small runs."""
    for small in options.small:
        subsets = range(options.subsets if small < regmix("train_1m").num_rows else 1)
        fitted = Parallel(n_jobs=options.workers)(delayed(_laws)(small, n) for n in subsets)
        several = range(options.subsets)
        found = Parallel(n_jobs=options.workers)(
            delayed(_one)(fitted[number % len(fitted)], number, alone=options.alone)
            for number in several
        )
        _show(small, found)


def _laws(small: int, number: int) -> dict[str, MeasureLaw]:
    pool = regmix("train_1m")
    order = seeds.generator(number, "curves").permutation(pool.num_rows)
    return fit_runs(pool.rows(order[:small]), seed=number)


def _one(laws: Mapping[str, MeasureLaw], number: int, *, alone: bool) -> Found:
    """Carry the laws with random larger runs and with chosen ones; judge on half of the 64."""
    everything = regmix("test_1B").only(tuple(laws))
    order = seeds.generator(number, "larger").permutation(everything.num_rows)
    rest, runs = everything.rows(order[:_TESTED]), everything.rows(order[_TESTED:])
    found: Found = {}
    for count in LARGER:
        ways = {"random": np.arange(count)}
        if count:
            chosen = choose_informative(list(laws.values()), runs.features, count, seed=number)
            ways["chosen"] = chosen
        for way, rows in ways.items():
            near = runs.rows(rows)
            for name, predicted in _predictions(laws, near, rest, alone=alone and way == "random"):
                truth = rest.values.sum(axis=1)
                rank = rank_correlation(predicted.sum(axis=1), truth)
                error = float(np.abs(predicted - rest.values).mean())
                found[f"{name}, {way} larger runs", count] = rank, error
    return found


def _predictions(
    laws: Mapping[str, MeasureLaw], near: Runs, rest: Runs, *, alone: bool
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield [N, P] predictions of every method for the rest of the larger runs."""
    if not near.num_rows:
        plain = [law.predict(rest.features).mean for law in laws.values()]
        yield "carried", np.stack(plain, axis=1)
        return
    for name, pooled in (("carried", True), ("carried, slopes apart", False)):
        carried = fit_transfers(laws, near, pooled=pooled)
        means = [law.predict(rest.features).mean for law in carried.values()]
        yield name, np.stack(means, axis=1)
    if alone and near.num_rows >= _FEWEST:
        own = fit_runs(near, seed=0)
        means = [law.predict(rest.features).mean for law in own.values()]
        yield "larger runs alone", np.stack(means, axis=1)


def _show(small: int, found: Sequence[Found]) -> None:
    keys = list(dict.fromkeys(method for one in found for method, _ in one))
    print(f"\n### regmix: {small} runs at 1M and some at 1B, summed objective at 1B: rank / error")
    print("| method | " + " | ".join(str(count) for count in LARGER) + " |")
    print("|:---" * (len(LARGER) + 1) + "|")
    for method in keys:
        cells = [_cell([one[method, n] for one in found if (method, n) in one]) for n in LARGER]
        print(f"| {method} | " + " | ".join(cells) + " |")


def _cell(values: Sequence[tuple[float, float]]) -> str:
    if not values:
        return ""
    ranks, errors = (np.array(column) for column in zip(*values, strict=True))
    return (
        f"{ranks.mean():.4f} ±{ranks.std(ddof=1) / np.sqrt(len(ranks)):.4f} / {errors.mean():.3f}"
    )
