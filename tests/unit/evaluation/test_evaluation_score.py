from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mixopt import seeds
from mixopt.evaluation.score import difference, score, seed_variance, signal_to_noise

_BETWEEN, _SEED = 0.3, 0.1


def _trials(count: int, seeds_each: int) -> list[list[float]]:
    rng = seeds.generator(7, "score", count, seeds_each)
    means = _BETWEEN * rng.standard_normal(count)
    return [list(mean + _SEED * rng.standard_normal(seeds_each)) for mean in means]


def test_score_is_the_mean_with_its_standard_error() -> None:
    found = score([1.0, 2.0, 4.0])
    assert found.value == pytest.approx(7 / 3)
    assert found.standard_error == pytest.approx(stats.sem([1.0, 2.0, 4.0]))
    assert found.num_seeds == 3
    assert math.isnan(score([1.0]).standard_error)


def test_seed_variance_is_pooled_with_its_degrees_of_freedom() -> None:
    groups = [[1.0, 3.0], [5.0, 5.0, 8.0], [4.0]]
    expected = (1 * np.var(groups[0], ddof=1) + 2 * np.var(groups[1], ddof=1)) / 3
    assert seed_variance(groups) == pytest.approx(expected)
    assert math.isnan(seed_variance([[1.0], [2.0]]))


def test_seed_variance_finds_the_planted_one() -> None:
    assert seed_variance(_trials(2000, 3)) == pytest.approx(_SEED**2, rel=0.05)


@pytest.mark.parametrize("seeds_each", [2, 4])
def test_signal_to_noise_finds_the_planted_one(seeds_each: int) -> None:
    found = signal_to_noise(_trials(4000, seeds_each))
    assert found.between == pytest.approx(_BETWEEN, rel=0.05)
    assert found.seed == pytest.approx(_SEED, rel=0.05)
    assert found.per_seed == pytest.approx(_BETWEEN / _SEED, rel=0.08)
    assert found.of_mean == pytest.approx(found.per_seed * math.sqrt(seeds_each))


def test_noise_alone_is_no_signal() -> None:
    rng = seeds.generator(1, "noise")
    found = signal_to_noise(rng.standard_normal((4000, 2)).tolist())
    assert found.per_seed < 0.25


def test_signal_without_noise_or_replicates() -> None:
    assert signal_to_noise([[1.0, 1.0], [2.0, 2.0]]).per_seed == math.inf
    assert signal_to_noise([[1.0, 1.0], [1.0, 1.0]]).per_seed == 0.0
    assert math.isnan(signal_to_noise([[1.0], [2.0]]).per_seed)
    assert math.isnan(signal_to_noise([[1.0, 2.0]]).between)


def test_difference_is_the_paired_interval_of_scipy() -> None:
    rng = seeds.generator(3, "pairs")
    right = rng.standard_normal(6)
    left = right + 0.2 + 0.1 * rng.standard_normal(6)
    found = difference(left.tolist(), right.tolist())
    low, high = stats.ttest_rel(left, right).confidence_interval(0.95)
    assert [found.low, found.high] == pytest.approx([low, high])
    assert found.value == pytest.approx(float(np.mean(left - right)))
    assert found.num_seeds == 6


@pytest.mark.parametrize(("left", "right"), [([1.0], [2.0]), ([1.0, 2.0], [1.0])])
def test_difference_needs_pairs(left: list[float], right: list[float]) -> None:
    with pytest.raises(ValueError, match="paired seeds, at least two"):
        difference(left, right)
