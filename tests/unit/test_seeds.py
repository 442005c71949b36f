import hashlib
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from mixopt import seeds

SIZES = sorted({*range(1, 40), *(4**n + d for n in range(2, 8) for d in (-1, 0, 1)), 1000, 99_991})


@pytest.mark.parametrize("size", SIZES)
def test_a_permutation_is_one_to_one(size: int) -> None:
    for key in (0, 1, 2**62):
        found = seeds.permute(np.arange(size), size, key)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_large_permutations_are_one_to_one_where_looked_at() -> None:
    positions = np.random.default_rng(0).choice(10**12, 50_000, replace=False)
    found = seeds.permute(positions, 10**12, 7)
    assert len(np.unique(found)) == len(positions)
    assert found.min() >= 0
    assert found.max() < 10**12
    assert chisquare(np.bincount(found * 64 // 10**12, minlength=64)).pvalue > 1e-3


def test_positions_are_mapped_one_by_one() -> None:
    whole = seeds.permute(np.arange(600).reshape(20, 30), 600, 3)
    assert whole.shape == (20, 30)
    assert seeds.permute(np.array([61, 5]), 600, 3).tolist() == [whole[2, 1], whole[0, 5]]
    assert seeds.permute(np.array([], np.int64), 600, 3).shape == (0,)


def test_a_permutation_of_a_million_is_uniform() -> None:
    """Pairs of (where from, where to) fall evenly into a 20 by 20 grid."""
    size = 10**6
    found = seeds.permute(np.arange(size), size, 11)
    cells = np.arange(size) * 20 // size * 20 + found * 20 // size
    counts = np.bincount(cells, minlength=400)
    # Rows and columns are fixed by the permutation: 19 x 19 degrees of freedom.
    assert chisquare(counts, ddof=38).pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 4e-3


@pytest.mark.parametrize("size", [2, 3, 4])
def test_small_permutations_are_all_equally_likely(size: int) -> None:
    keys = range(4800)
    found = Counter(tuple(seeds.permute(np.arange(size), size, key).tolist()) for key in keys)
    counts = [found[order] for order in itertools.permutations(range(size))]
    assert sum(counts) == len(keys)
    assert chisquare(counts).pvalue > 1e-3


def test_several_permutations_at_once_are_those_of_their_keys() -> None:
    sizes, keys = [1, 7, 64, 1000, 99_991], [3, 1, 4, 1, 5]
    rng = np.random.default_rng(0)
    which = rng.integers(len(sizes), size=(40, 25))
    positions = rng.integers(0, np.array(sizes)[which])
    found = seeds.permute_each(positions, which, sizes, keys)
    for number, (size, key) in enumerate(zip(sizes, keys, strict=True)):
        here = which == number
        np.testing.assert_array_equal(found[here], seeds.permute(positions[here], size, key))


def test_a_permutation_needs_an_element() -> None:
    with pytest.raises(ValueError, match="size=0"):
        seeds.permute(np.array([0]), 0, 1)


def test_keys_are_the_hash_of_seed_and_names() -> None:
    digest = hashlib.blake2b(b"7\x1fstr:init\x1fint:3", digest_size=8).digest()
    assert seeds.derive(7, "init", 3) == int.from_bytes(digest, "little") >> 1


def test_keys_depend_on_every_name_and_on_their_order() -> None:
    names: list[tuple[str | int, ...]] = [(), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",)]
    names += [("1",), (1,), ("a", 1), ("a", 0, 1), ("a", 1, 0), ("",), ("a", "")]
    keys = {seeds.derive(seed, *name) for seed in range(50) for name in names}
    assert len(keys) == 50 * len(names)
    assert 0 <= min(keys) < max(keys) < 2**63


def test_bits_of_keys_are_even_and_independent() -> None:
    keys = np.array([seeds.derive(3, "member", n) for n in range(4096)])
    bits = (keys[:, None] >> np.arange(63)) & 1
    spread = np.abs(bits.mean(axis=0) - 0.5)
    assert spread.max() < 4.5 * 0.5 / np.sqrt(4096)
    between = np.corrcoef(bits.T) - np.eye(63)
    assert np.abs(between).max() < 5.5 / np.sqrt(4096)


def test_generators_of_names_are_the_same_again_and_unlike_others() -> None:
    one, again = (seeds.generator(3, "init", 0).random(1000) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    for other in (seeds.generator(3, "init", 1), seeds.generator(4, "init", 0)):
        assert abs(np.corrcoef(one, other.random(1000))[0, 1]) < 0.12
