"""Tests of laws on published tables of training runs, where they lie beside the repository.

RegMix (arXiv 2407.01492) released 512 runs of its "1M" model over 17 domains of the Pile, and 256
other mixtures to test on; laws are fitted to 64 of the former.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import fit_measure
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.scores import rank_correlation

TABLES = Path(__file__).parents[4] / "shared" / "tables" / "regmix"
ROWS, SUBSETS = 64, 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TABLES.is_dir(), reason=f"no published runs at {TABLES}"),
]


def _runs(part: str, domain: str) -> tuple[Features, NDArray[np.float64]]:
    mixtures = pl.read_csv(TABLES / f"{part}_mixture_1m.csv").drop("index")
    losses = pl.read_csv(TABLES / f"{part}_pile_loss_1m.csv")
    weights = mixtures.to_numpy() / mixtures.to_numpy().sum(axis=1, keepdims=True)
    features = Features(
        domains=tuple(mixtures.columns),
        stages=("pretrain",),
        weights=weights[:, None],
        tokens=np.ones((len(weights), 1)),
    )
    return features, losses[f"metric/the_pile_{domain}_val_loss"].to_numpy()


@pytest.mark.parametrize(
    ("name", "least"),
    [("gaussian_process", 0.965), ("log_linear", 0.9), ("trees", 0.91), ("effective_data", 0.965)],
)
def test_unseen_mixtures_are_ranked(name: str, least: float) -> None:
    train, values = _runs("train", "pile_cc")
    test, expected = _runs("test", "pile_cc")
    found = []
    for subset in range(SUBSETS):
        rows = np.random.default_rng(subset).permutation(len(values))[:ROWS]
        law = LAWS[name].fit(train.rows(rows), values[rows], np.zeros(ROWS), subset)
        found.append(rank_correlation(law.predict(test).mean, expected))
    assert np.mean(found) > least


def test_the_stack_is_good_and_its_scores_and_intervals_are_honest() -> None:
    train, values = _runs("train", "pile_cc")
    test, expected = _runs("test", "pile_cc")
    rows = np.random.default_rng(0).permutation(len(values))[:ROWS]
    law = fit_measure("pile_cc", "minimize", train.rows(rows), values[rows], np.zeros(ROWS), seed=0)
    stack = next(score for score in law.scores if score.law == law.law)
    error = np.sqrt(np.mean((law.predict(test).mean - expected) ** 2))
    low, high = law.interval(test)
    assert rank_correlation(law.predict(test).mean, expected) > 0.96
    assert 0.5 < stack.root_mean_square_error / error < 2
    assert np.mean((low <= expected) & (expected <= high)) > 0.9
