"""Published tables of training runs, read from where they lie beside the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mixopt.surrogate.features import mixture_features
from mixopt.surrogate.runs import Runs

TABLES: Final = Path(__file__).parents[3] / "shared" / "tables"

_NOT_IN_SUITE: Final = ("lab_bench_dbqa", "lab_bench_protocolqa", "medqa_en:rc::none")


def regmix(part: str) -> Runs:
    """Return runs of RegMix's release (arXiv 2407.01492).

    Args:
        part: `train_1m` (512 runs), `extra_1m` (488 others of the first release), `test_1m` and
            `test_60m` (256 common mixtures), `test_1B` (64).
    """
    folder = TABLES / "regmix"
    names = pl.read_csv(folder / "train_mixture_1m.csv").columns[1:]
    measures = pl.read_csv(folder / "train_pile_loss_1m.csv").columns[1:]
    if part == "extra_1m":
        mixtures = pl.read_csv(folder / "early_commit" / "data_mixture_1m.csv")[512:]
        losses = pl.read_csv(folder / "early_commit" / "validation_loss_1m.csv")[512:]
    else:
        role, size = part.split("_")
        mixtures = pl.read_csv(folder / f"{role}_mixture_{size}.csv")
        losses = pl.read_csv(folder / f"{role}_pile_loss_{size}.csv")
        losses = losses.select("index", *measures)
    mixtures, losses = mixtures.sort("index"), losses.sort("index")
    if mixtures["index"].to_list() != losses["index"].to_list():
        mixtures = mixtures.filter(pl.col("index").is_in(losses["index"].to_list()))
    return _runs(
        [str(name) for name in losses["index"]],
        tuple(name.removeprefix("train_the_pile_") for name in names),
        mixtures.drop("index").to_numpy(),
        tuple(m.removeprefix("metric/the_pile_").removesuffix("_val_loss") for m in measures),
        losses.drop("index").to_numpy(),
    )


def olmix(part: str) -> Runs:
    """Return a swarm of Olmix (arXiv 2602.12237) with the measures of its suite.

    Args:
        part: `dclm` (127 runs, 24 domains), `full_recomputation` (512, 64) or
            `full_reuse_update_5_seed_0` (64, 22).
    """
    labels = ("", "run", "name", "index")
    ratios = pl.read_csv(TABLES / "olmix" / f"{part}_ratios.csv").sort("run")
    metrics = pl.read_csv(TABLES / "olmix" / f"{part}_metrics.csv").sort("run")
    if ratios["run"].to_list() != metrics["run"].to_list():
        message = f"{part}: ratios and metrics are of different runs"
        raise ValueError(message)
    measures = [m for m in metrics.columns if m not in (*labels, *_NOT_IN_SUITE)]
    domains = tuple(name for name in ratios.columns if name not in labels)
    return _runs(
        ratios["run"].to_list(),
        domains,
        ratios.select(domains).to_numpy(),
        tuple(measures),
        metrics.select(measures).to_numpy(),
    )


def _runs(
    names: list[str],
    domains: tuple[str, ...],
    weights: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    measures: tuple[str, ...],
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> Runs:
    shares = weights / weights.sum(axis=1, keepdims=True)
    return Runs(
        names=tuple(names),
        features=mixture_features(domains, shares),
        measures=measures,
        directions=tuple("minimize" for _ in measures),
        values=values,
        noise=np.zeros_like(values),
    )
