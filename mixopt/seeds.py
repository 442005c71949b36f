"""Randomness as pure functions of a seed and names: derived keys, generators and permutations without state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6
_MIX = np.uint64(0x9E3779B97F4A7C15)


def derive(seed: int, *names: str | int) -> int:
    """Return a 63-bit key that depends on the seed and on every name, in order.

    Keys of different names are independent: `derive(7, "init", "head")` tells nothing about
    `derive(7, "init", "embedding")`.
    """
    text = "\x1f".join([str(seed), *(f"{type(name).__name__}:{name}" for name in names)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a counter-based (Philox) generator keyed by the seed and names."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *names)))


def permute(positions: NDArray[np.int64], size: int, key: int) -> NDArray[np.int64]:
    """Map positions in [0, size) through the pseudo-random permutation of that range named by `key`.

    A balanced Feistel network over the next even number of bits, with cycle walking for sizes that
    are no power of four (Black and Rogaway, 2002, "Ciphers with arbitrary finite domains"). Nothing
    is materialized, so any position of a permutation of any size costs the same.

    Args:
        positions: integers in [0, size), any shape.
        size: how many elements the permutation has; at least 1.
        key: names the permutation.

    Returns:
        Integers in [0, size), same shape as `positions`; distinct for distinct positions.
    """
    return permute_each(positions, np.zeros_like(positions), [size], [key])


def permute_each(
    positions: NDArray[np.int64],
    which: NDArray[np.int64],
    sizes: Sequence[int],
    keys: Sequence[int],
) -> NDArray[np.int64]:
    """Map positions through several permutations at once; see `permute`.

    Args:
        positions: each in [0, size of its permutation), any shape.
        which: the permutation of each position, an index into `sizes` and `keys`; same shape.
        sizes: elements of each permutation; at least 1.
        keys: names of the permutations.

    Returns:
        Integers of the shape of `positions`.
    """
    if min(sizes) < 1:
        message = f"a permutation needs at least one element, got size={min(sizes)}"
        raise ValueError(message)
    group = which.reshape(-1)
    half_bits = np.array([max(1, ((size - 1).bit_length() + 1) // 2) for size in sizes], np.uint64)
    rounds = np.array([_round_keys(key) for key in keys], np.uint64)
    ends = np.array(sizes, np.uint64)[group]
    values = _feistel(positions.reshape(-1).astype(np.uint64), half_bits[group], rounds[group])
    outside = np.flatnonzero(values >= ends)
    while len(outside):
        there = group[outside]
        values[outside] = _feistel(values[outside], half_bits[there], rounds[there])
        outside = outside[values[outside] >= ends[outside]]
    return values.astype(np.int64).reshape(positions.shape)


@lru_cache(maxsize=4096)
def _round_keys(key: int) -> tuple[int, ...]:
    return tuple(derive(key, "feistel", number) for number in range(_ROUNDS))


def _feistel(
    values: NDArray[np.uint64], bits: NDArray[np.uint64], keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Run the rounds on values [N] of 2 x bits [N] bits with the round keys [N, rounds]."""
    mask = (np.uint64(1) << bits) - np.uint64(1)
    left, right = values >> bits, values & mask
    for number in range(_ROUNDS):
        left, right = right, left ^ (_scramble(right ^ keys[:, number]) & mask)
    return (left << bits) | right


def _scramble(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        mixed = values + _MIX
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
