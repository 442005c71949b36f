"""Packing: whole examples side by side in rows of one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.corpus.conversations import Example


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedRows:
    """Examples in rows; a row of T+1 tokens gives T inputs and T targets.

    The model reads `[:, :-1]` and predicts `tokens[:, 1:]`; `answers[:, 1:]` says which of those
    predictions count. The first token of an example is never an answer, so nothing is predicted
    from one example into the next.

    Attributes:
        tokens: uint32 [rows, T+1]; filled up with the padding token.
        answers: bool [rows, T+1]; True where the token is a target of the loss.
        segments: int32 [rows, T+1]; 1, 2, ... per example within a row, 0 for padding.
        rows: int64 [examples]; the row of each example.
    """

    tokens: NDArray[np.uint32]
    answers: NDArray[np.bool_]
    segments: NDArray[np.int32]
    rows: NDArray[np.int64]


def pack(examples: Sequence[Example], *, row_length: int, padding: int) -> PackedRows:
    """Lay examples, in their order and whole, into as many rows as first-fit needs.

    Args:
        examples: none longer than `row_length`.
        row_length: tokens of a row, T+1.
        padding: id of the token that fills a row up.
    """
    places = first_fit([len(example.tokens) for example in examples], row_length)
    num_rows = 1 + max((row for row, _ in places), default=-1)
    tokens = np.full((num_rows, row_length), padding, np.uint32)
    answers = np.zeros((num_rows, row_length), np.bool_)
    segments = np.zeros((num_rows, row_length), np.int32)
    members = [0] * num_rows
    for example, (row, start) in zip(examples, places, strict=True):
        stop = start + len(example.tokens)
        members[row] += 1
        tokens[row, start:stop] = example.tokens
        answers[row, start:stop] = example.answers
        answers[row, start] = False
        segments[row, start:stop] = members[row]
    rows = np.array([row for row, _ in places], np.int64)
    return PackedRows(tokens=tokens, answers=answers, segments=segments, rows=rows)


def first_fit(lengths: Sequence[int], capacity: int) -> list[tuple[int, int]]:
    """Return for each length the first row with room left for it, and where it starts there.

    First-fit (Johnson et al., 1974) over a tournament tree of the room left per row, so that n
    lengths cost O(n log n). An unopened row has all of its room left and needs no special case.

    Raises:
        ValueError: a length is below 1 or above the capacity.
    """
    if any(not 1 <= length <= capacity for length in lengths):
        message = f"lengths must be 1..{capacity}, got {min(lengths)}..{max(lengths)}"
        raise ValueError(message)
    leaves = 1 << max(len(lengths) - 1, 0).bit_length()
    room = [capacity] * (2 * leaves)
    places = []
    for length in lengths:
        node = _first_with_room(room, length)
        places.append((node - leaves, capacity - room[node]))
        _take(room, node, length)
    return places


def _first_with_room(room: list[int], length: int) -> int:
    """Return the leftmost leaf with enough room; the root of the tree is node 1."""
    node, leaves = 1, len(room) // 2
    while node < leaves:
        node *= 2
        if room[node] < length:
            node += 1
    return node


def _take(room: list[int], node: int, length: int) -> None:
    room[node] -= length
    while node > 1:
        node //= 2
        largest = max(room[2 * node], room[2 * node + 1])
        if room[node] == largest:
            return
        room[node] = largest
