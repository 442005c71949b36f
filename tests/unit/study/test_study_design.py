from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import TEXT_DOMAINS, make_setup

from mixopt.corpus.store import TokenStore
from mixopt.study.design import design_point, design_size, kept_weights


@pytest.mark.parametrize("count", [2, 3, 17, 64])
def test_consecutive_trials_keep_every_weight(count: int) -> None:
    kept = max(2, round(np.sqrt(count)))
    rounds = -(-count // kept)
    found = [kept_weights(count, number, seed=3) for number in range(2 * rounds)]
    assert all(len(set(each.tolist())) == kept for each in found)
    for part in (found[:rounds], found[rounds:]):
        assert set(np.concatenate(part).tolist()) == set(range(count))
    assert count <= 3 or [f.tolist() for f in found[:rounds]] != [
        f.tolist() for f in found[rounds:]
    ]


def test_a_sparse_design_leaves_domains_at_their_least(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    dense = make_setup(tiny_store, quick_path)
    sparse = make_setup(tiny_store, quick_path, design_kind="sparse")
    least = 0.01 + 1e-6
    left_out: dict[str, set[str]] = {"early": set(), "late": set()}
    for number in range(3, 15):
        schedule = sparse.space.resolve(design_point(sparse, number))
        for stage, names in left_out.items():
            shares = schedule.stage(stage).curve.mean().on(TEXT_DOMAINS)
            names |= {n for n, share in zip(TEXT_DOMAINS, shares, strict=True) if share <= least}
        full = dense.space.resolve(design_point(dense, number))
        assert full.stage("early").curve.mean().on(TEXT_DOMAINS).min() > 0
    assert left_out == {"early": set(TEXT_DOMAINS), "late": set(TEXT_DOMAINS)}


@pytest.mark.parametrize(("trials", "expected"), [(8, 8), (24, 12), (100, 15)])
def test_the_design_grows_with_the_open_weights_up_to_half_of_the_trials(
    tiny_store: TokenStore, quick_path: Path, trials: int, expected: int
) -> None:
    setup = make_setup(tiny_store, quick_path, design="auto", trials=trials)
    assert design_size(setup) == expected  # two free mixtures of three: four weights are open
    assert design_size(make_setup(tiny_store, quick_path, design=5)) == 5
