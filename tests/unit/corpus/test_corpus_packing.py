"""Packing: first-fit against a slow reference, whole examples, and targets that stay inside them."""

from __future__ import annotations

import numpy as np
import pytest

from mixopt import seeds
from mixopt.corpus.conversations import Example
from mixopt.corpus.packing import PackedRows, first_fit, pack

ROW, PADDING = 24, 99


def _slow_first_fit(lengths: list[int], capacity: int) -> list[tuple[int, int]]:
    used: list[int] = []
    places = []
    for length in lengths:
        row = next((r for r, u in enumerate(used) if u + length <= capacity), len(used))
        used += [0] * (row == len(used))
        places.append((row, used[row]))
        used[row] += length
    return places


def _examples(count: int, seed: int) -> list[Example]:
    draw = seeds.generator(seed, "examples")
    lengths = draw.integers(3, ROW + 1, count).tolist()
    return [
        Example(
            tokens=np.arange(1000 * number, 1000 * number + length, dtype=np.uint32),
            answers=np.arange(length) >= length // 2,
            num_bytes=length,
        )
        for number, length in enumerate(lengths)
    ]


def _pieces(packed: PackedRows) -> list[tuple[list[int], list[bool]]]:
    """Read the examples back, token by token, in the order of rows and segments."""
    pieces: dict[tuple[int, int], tuple[list[int], list[bool]]] = {}
    for row, column in np.ndindex(packed.tokens.shape):
        segment = int(packed.segments[row, column])
        if segment:
            tokens, answers = pieces.setdefault((row, segment), ([], []))
            tokens.append(int(packed.tokens[row, column]))
            answers.append(bool(packed.answers[row, column]))
    return [pieces[key] for key in sorted(pieces)]


@pytest.mark.parametrize("seed", range(5))
def test_first_fit_equals_the_slow_search(seed: int) -> None:
    lengths = seeds.generator(seed, "lengths").integers(1, 41, 300).tolist()
    assert first_fit(lengths, 40) == _slow_first_fit(lengths, 40)


@pytest.mark.parametrize("lengths", [[], [7], [7, 7, 7], [3, 4, 7, 1]])
def test_first_fit_of_few(lengths: list[int]) -> None:
    assert first_fit(lengths, 7) == _slow_first_fit(lengths, 7)


@pytest.mark.parametrize("length", [0, 8])
def test_lengths_must_fit(length: int) -> None:
    with pytest.raises(ValueError, match=r"must be 1\.\.7"):
        first_fit([3, length], 7)


def test_examples_stay_whole() -> None:
    examples = _examples(60, seed=1)
    found = sorted(_pieces(pack(examples, row_length=ROW, padding=PADDING)))
    expected = [(list(e.tokens), list(e.answers)) for e in examples]
    assert found == sorted(expected)


def test_segments_count_from_one_without_gaps() -> None:
    packed = pack(_examples(60, seed=2), row_length=ROW, padding=PADDING)
    for row in packed.segments:
        steps = np.diff(row[row > 0])
        assert row[0] == 1
        assert set(steps) <= {0, 1}
        assert not row[np.argmin(row > 0) :].any() or row.all()


def test_padding_is_never_a_target() -> None:
    packed = pack(_examples(60, seed=3), row_length=ROW, padding=PADDING)
    empty = packed.segments == 0
    assert empty.any()
    assert (packed.tokens[empty] == PADDING).all()
    assert not packed.answers[empty].any()


def test_no_target_is_predicted_from_another_example() -> None:
    """Even if an example claims its first token as an answer."""
    claims = [
        Example(tokens=e.tokens, answers=np.ones(len(e.tokens), np.bool_), num_bytes=1)
        for e in _examples(60, seed=4)
    ]
    packed = pack(claims, row_length=ROW, padding=PADDING)
    targets = packed.answers[:, 1:]
    assert (packed.segments[:, 1:] == packed.segments[:, :-1])[targets].all()
    assert targets.sum() == sum(len(e.tokens) - 1 for e in claims)


def test_nothing_packs_into_no_rows() -> None:
    packed = pack([], row_length=ROW, padding=PADDING)
    assert packed.tokens.shape == packed.answers.shape == packed.segments.shape == (0, ROW)
