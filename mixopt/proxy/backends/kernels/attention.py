"""Causal rotary attention of one member's sequences, forward and backward, block by block.

Shapes: B sequences of T tokens, H heads of S features, D = H S; L and C are T and S rounded up to
whole tiles. Only blocks of scores that some query may see are computed, and none outlives its
block, so memory does not grow with T^2 and packed examples cost what they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixopt.proxy.backends.kernels.compiled import Floats, Pointer, kernel
from mixopt.proxy.backends.kernels.registers import LANES
from mixopt.proxy.backends.kernels.vectors import (
    ROWS,
    add_tile,
    at,
    set_tile,
    soften,
    soften_backward,
)

_Integers = NDArray[np.int32]
_Shape = tuple[int, int, int]


class Geometry(NamedTuple):
    """Where the tokens stand."""

    cosine: Floats
    """[S / 2, T] of the rotary angle at every position."""
    sine: Floats
    segments: _Integers
    """[B, L]: a query sees the keys up to itself that have its number; the last goes on to L."""
    earliest: _Integers
    """[B, L]: the first position of the same number; see `find_earliest`."""


class Scratch(NamedTuple):
    """Room for one head of one sequence, which stays in the processor's cache."""

    rows: Floats
    """[6, L, C]: query, key, value, gradient of the mixed; gradients of key and value."""
    columns: Floats
    """[3, C, L]: query; gradient of the mixed values; the mixed values or the query's gradient."""
    scores: Floats
    """[2, L, LANES]: a block of shares, and of gradients of scores."""


def padded_length(length: int) -> int:
    """Return L for T."""
    return -(-length // LANES) * LANES


def make_scratch(length: int, head_width: int, dtype: np.dtype[np.floating]) -> Scratch:
    """Allocate room for sequences of `length` tokens; what no token fills stays zero."""
    long, wide = padded_length(length), padded_length(head_width)
    return Scratch(
        rows=np.zeros((6, long, wide), dtype),
        columns=np.zeros((3, wide, long), dtype),
        scores=np.zeros((2, long, LANES), dtype),
    )


@kernel
def find_earliest(segments: _Integers, earliest: _Integers) -> None:
    """Set `earliest` [B, L] to the first position of the same number in `segments` [B, L]."""
    for sequence in range(segments.shape[0]):
        for now in range(segments.shape[1]):
            first = earliest[sequence, now - 1] if now > 0 else 0
            if segments[sequence, first] != segments[sequence, now]:
                first = 0
                while segments[sequence, first] != segments[sequence, now]:
                    first += 1
            earliest[sequence, now] = first


@kernel
def attend(
    joined: Floats, geometry: Geometry, scratch: Scratch, mixed: Floats, logsums: Floats
) -> None:
    """Mix values over earlier positions.

    Args:
        joined: queries, keys and values of all heads side by side [B T, 3D].
        geometry: rotary table and segments.
        scratch: is overwritten.
        mixed: set to the mixed values [B T, D].
        logsums: set to the logarithm of every softmax's denominator [B, H, L].
    """
    batch, heads, _ = logsums.shape
    length, size = geometry.cosine.shape[1], mixed.shape[1] // heads
    for sequence in range(batch):
        tokens = slice(sequence * length, (sequence + 1) * length)
        for head in range(heads):
            _load(joined[tokens], head, heads, geometry, scratch)
            _attend_head(geometry, sequence, scratch, logsums[sequence, head])
            _transpose(scratch.columns[2], 0, mixed[tokens], head * size, (size, length))


@kernel
def attend_backward(
    joined: Floats, geometry: Geometry, scratch: Scratch, to_mixed: Floats, logsums: Floats
) -> None:
    """Replace queries, keys and values [B T, 3D] by their gradients.

    Args:
        joined: as in `attend`; is overwritten.
        geometry: as in `attend`.
        scratch: is overwritten.
        to_mixed: gradient of the mixed values [B T, D].
        logsums: as `attend` found them.
    """
    batch, heads, _ = logsums.shape
    length, size = geometry.cosine.shape[1], to_mixed.shape[1] // heads
    for sequence in range(batch):
        tokens = slice(sequence * length, (sequence + 1) * length)
        for head in range(heads):
            _load(joined[tokens], head, heads, geometry, scratch)
            _transpose(scratch.columns[0], 0, scratch.rows[0], 0, (size, length))
            _copy(to_mixed[tokens], head * size, scratch.rows[3], 0, size)
            _transpose(scratch.rows[3], 0, scratch.columns[1], 0, (length, size))
            _differentiate_head(geometry, sequence, scratch, logsums[sequence, head])
            _unload(scratch, joined[tokens], head, heads, geometry)


@kernel
def _attend_head(geometry: Geometry, sequence: int, scratch: Scratch, logsums: Floats) -> None:
    """Mix the values of one head, LANES queries at a time."""
    _, long, wide = scratch.rows.shape
    segments, earliest = geometry.segments[sequence], geometry.earliest[sequence]
    numbers, logs, scores = at(segments, 0), at(logsums, 0), at(scratch.scores, 0)
    query, mixed = at(scratch.columns, 0), at(scratch.columns, 2 * wide * long)
    key, value = at(scratch.rows, long * wide), at(scratch.rows, 2 * long * wide)
    for start in range(0, long, LANES):
        low = _first_key(earliest, start)
        span = start + LANES - low, start - low
        _compare(at(key, low * wide), at(query, start), scores, (span[0], long, wide))
        soften(scores, at(numbers, low), at(numbers, start), span, at(logs, start))
        _collect(at(value, low * wide), scores, at(mixed, start), (span[0], long, wide))


@kernel
def _differentiate_head(
    geometry: Geometry, sequence: int, scratch: Scratch, logsums: Floats
) -> None:
    """Find the gradients of the query, key and value of one head, LANES queries at a time."""
    _, long, wide = scratch.rows.shape
    segments, earliest = geometry.segments[sequence], geometry.earliest[sequence]
    numbers, logs, room = at(segments, 0), at(logsums, 0), long * wide
    rows, columns, shares = at(scratch.rows, 0), at(scratch.columns, 0), at(scratch.scores, 0)
    to_scores = at(shares, long * LANES)
    scratch.rows[4:] = 0
    for start in range(0, long, LANES):
        low = _first_key(earliest, start)
        span = start + LANES - low, start - low
        shape = span[0], long, wide
        first = low * wide
        key, value = at(rows, room + first), at(rows, 2 * room + first)
        _compare(key, at(columns, start), shares, shape)
        _compare(value, at(columns, room + start), to_scores, shape)
        soften_backward(
            shares, at(numbers, low), at(numbers, start), span, at(logs, start), to_scores
        )
        _collect(key, to_scores, at(columns, 2 * room + start), shape)
        _distribute(to_scores, at(rows, start * wide), at(rows, 4 * room + first), shape)
        _distribute(shares, at(rows, 3 * room + start * wide), at(rows, 5 * room + first), shape)


@kernel
def _compare(rows: Pointer, columns: Pointer, scores: Pointer, shape: _Shape) -> None:
    """Set scores [count, LANES] to the products of rows [count, C] and columns [C, LANES]."""
    count, long, wide = shape
    for row in range(0, count, ROWS):
        into = at(scores, row * LANES)
        set_tile((at(rows, row * wide), wide, 1), (columns, long), (into, LANES), wide)


@kernel
def _collect(rows: Pointer, shares: Pointer, columns: Pointer, shape: _Shape) -> None:
    """Set columns [C, LANES] to the sums of rows [count, C] by shares [count, LANES]."""
    count, long, wide = shape
    for row in range(0, wide, ROWS):
        into = at(columns, row * long)
        set_tile((at(rows, row), 1, wide), (shares, LANES), (into, long), count)


@kernel
def _distribute(shares: Pointer, rows: Pointer, into: Pointer, shape: _Shape) -> None:
    """Add to rows [count, C] the sums of rows [LANES, C] by shares [count, LANES]."""
    count, _, wide = shape
    for row in range(0, count, ROWS):
        for column in range(0, wide, LANES):
            add_tile(
                (at(shares, row * LANES), LANES, 1),
                (at(rows, column), wide),
                (at(into, row * wide + column), wide),
                LANES,
            )


@kernel
def _first_key(earliest: _Integers, start: int) -> int:
    """Return where the first tile begins that some of LANES queries can see."""
    first = earliest[start]
    for now in range(start + 1, start + LANES):
        first = min(first, earliest[now])
    return int(first // ROWS * ROWS)


@kernel
def _load(joined: Floats, head: int, heads: int, geometry: Geometry, scratch: Scratch) -> None:
    """Read one head's query (rotated, divided by sqrt(S)), key (rotated) and value."""
    half, length = geometry.cosine.shape
    size = 2 * half
    query, key = scratch.columns[0], scratch.columns[2]
    _transpose(joined, head * size, query, 0, (length, size))
    _rotate(query, geometry, (size**-0.5, 1.0))
    _transpose(joined, (heads + head) * size, key, 0, (length, size))
    _rotate(key, geometry, (1.0, 1.0))
    _transpose(key, 0, scratch.rows[1], 0, (size, length))
    _copy(joined, (2 * heads + head) * size, scratch.rows[2], 0, size)


@kernel
def _unload(scratch: Scratch, joined: Floats, head: int, heads: int, geometry: Geometry) -> None:
    """Write the gradients of one head's query, key and value, rotated back."""
    half, length = geometry.cosine.shape
    size = 2 * half
    query, key = scratch.columns[2], scratch.columns[1]
    _rotate(query, geometry, (size**-0.5, -1.0))
    _transpose(query, 0, joined, head * size, (size, length))
    _transpose(scratch.rows[4], 0, key, 0, (length, size))
    _rotate(key, geometry, (1.0, -1.0))
    _transpose(key, 0, joined, (heads + head) * size, (size, length))
    _copy(scratch.rows[5], 0, joined, (2 * heads + head) * size, size)


@kernel
def _rotate(columns: Floats, geometry: Geometry, factors: tuple[float, float]) -> None:
    """Rotate features [S, T] by their positions; the factors are of lengths and of angles (+-1).

    Su et al. (2021), "RoFormer", equation 34; halves are rotated against each other.
    """
    half, length = geometry.cosine.shape
    scale, turn = columns.dtype.type(factors[0]), columns.dtype.type(factors[1])
    for place in range(half):
        for now in range(length):
            cosine, sine = geometry.cosine[place, now], geometry.sine[place, now] * turn
            first, second = columns[place, now] * scale, columns[place + half, now] * scale
            columns[place, now] = first * cosine - second * sine
            columns[place + half, now] = second * cosine + first * sine


@kernel
def _copy(source: Floats, column: int, into: Floats, into_column: int, size: int) -> None:
    for now in range(min(source.shape[0], into.shape[0])):
        for place in range(size):
            into[now, into_column + place] = source[now, column + place]


@kernel
def _transpose(
    source: Floats, column: int, into: Floats, into_column: int, shape: tuple[int, int]
) -> None:
    """Write source [N, M] from a column on as [M, N] from another column on."""
    for place in range(shape[1]):
        for now in range(shape[0]):
            into[place, into_column + now] = source[now, column + place]
