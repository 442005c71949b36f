"""Randomness as pure functions of a seed and names: derived keys, generators and permutations without state."""

from __future__ import annotations

import hashlib

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
    if size < 1:
        message = f"a permutation needs at least one element, got size={size}"
        raise ValueError(message)
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    keys = _round_keys(key)
    values = _feistel(np.asarray(positions, np.uint64), half_bits, keys)
    outside = values >= size
    while outside.any():
        values[outside] = _feistel(values[outside], half_bits, keys)
        outside = values >= size
    return values.astype(np.int64)


def _round_keys(key: int) -> list[np.uint64]:
    return [np.uint64(derive(key, "feistel", number)) for number in range(_ROUNDS)]


def _feistel(
    values: NDArray[np.uint64], half_bits: int, keys: list[np.uint64]
) -> NDArray[np.uint64]:
    bits, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> bits, values & mask
    for key in keys:
        left, right = right, left ^ (_scramble(right ^ key) & mask)
    return (left << bits) | right


def _scramble(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        mixed = values + _MIX
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
