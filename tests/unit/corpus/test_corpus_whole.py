"""Whole documents in rows: cuts, best fit against a slow search, targets, and the kept rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mixopt import seeds
from mixopt.corpus.whole import WholeRows, best_fit, cut, read_whole

PADDING = 999


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.append(0, np.cumsum(lengths))


def _random_offsets(count: int, longest: int, seed: int) -> np.ndarray:
    return _offsets(seeds.generator(seed, "lengths").integers(1, longest, count).tolist())


def _slow_best_fit(lengths: list[int], capacity: int) -> list[int]:
    """Return the room left in each row, one piece after the other."""
    room: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [number for number, left in enumerate(room) if left >= length]
        if not fitting:
            room.append(capacity)
            fitting = [len(room) - 1]
        room[min(fitting, key=room.__getitem__)] -= length
    return sorted(room)


def _whole(path: Path, offsets: np.ndarray, row: int) -> WholeRows:
    return read_whole(path / "rows.npz", offsets, row)


@pytest.mark.parametrize("capacity", [1, 7, 40, 200])
@pytest.mark.parametrize("seed", range(3))
def test_best_fit_leaves_the_room_that_a_slow_search_leaves(capacity: int, seed: int) -> None:
    lengths = seeds.generator(seed, "fit", capacity).integers(1, capacity + 1, 400)
    rows = best_fit(lengths, capacity)
    filled = np.bincount(rows, lengths)
    assert sorted((capacity - filled).tolist()) == _slow_best_fit(lengths.tolist(), capacity)
    assert filled.min() > 0


def test_short_documents_are_never_cut(tmp_path: Path) -> None:
    offsets = _random_offsets(200, 33, seed=1)
    whole = _whole(tmp_path, offsets, 32)
    rows = np.repeat(np.arange(whole.num_rows), np.diff(whole.bounds))
    assert sorted(whole.pieces.documents.tolist()) == list(range(200))
    assert np.array_equal(whole.pieces.lengths, np.diff(offsets)[whole.pieces.documents])
    assert np.bincount(rows, whole.pieces.lengths).max() <= 32
    assert not whole.pieces.goes_on.any()


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [1]), (9, [9]), (10, [9, 2]), (17, [9, 9]), (18, [9, 9, 2]), (25, [9, 9, 9])],
)
def test_long_documents_are_cut_where_a_stream_would_be(length: int, expected: list[int]) -> None:
    pieces = cut(_offsets([3, length]), 9)
    assert pieces.lengths.tolist() == [3, *expected]
    assert pieces.starts[1:].tolist() == [3 + 8 * part for part in range(len(expected))]
    assert pieces.goes_on.tolist() == [False, False] + [True] * (len(expected) - 1)


def test_every_token_but_a_documents_first_is_predicted_from_its_own_document_once(
    tmp_path: Path,
) -> None:
    offsets = _random_offsets(60, 50, seed=2)
    tokens = np.arange(offsets[-1], dtype=np.uint16)  # a token names its place
    whole = _whole(tmp_path, offsets, 16)
    rows, answers = whole.gather(tokens, np.arange(whole.num_rows), PADDING + 9000)
    before, targets = rows[:, :-1][answers[:, 1:]], rows[:, 1:][answers[:, 1:]]
    firsts = np.isin(targets, offsets[:-1])
    assert sorted(targets[~firsts].tolist()) == sorted(set(tokens.tolist()) - set(offsets.tolist()))
    assert np.array_equal(before[~firsts], targets[~firsts] - 1)
    assert np.isin(before[firsts] + 1, offsets).all()  # as in a stream: after another's end


def test_padding_fills_rows_up_and_is_no_target(tmp_path: Path) -> None:
    whole = _whole(tmp_path, _offsets([5, 4, 4]), 8)
    tokens = np.arange(13, dtype=np.uint16)
    rows, answers = whole.gather(tokens, np.array([1, 0]), PADDING)
    assert sorted(rows.tolist()) == [
        [0, 1, 2, 3, 4, PADDING, PADDING, PADDING],
        [5, 6, 7, 8, 9, 10, 11, 12],
    ]
    assert np.array_equal(answers, rows != PADDING)


def test_no_ids_and_no_documents_give_no_rows(tmp_path: Path) -> None:
    empty = _whole(tmp_path, np.zeros(1, np.int64), 8)
    assert empty.num_rows == 0
    rows, answers = empty.gather(np.empty(0, np.uint16), np.empty(0, np.int64), PADDING)
    assert rows.shape == answers.shape == (0, 8)
    assert empty.means(np.empty(0)).shape == (0,)


def test_means_weigh_documents_by_their_tokens(tmp_path: Path) -> None:
    offsets, values = _random_offsets(40, 30, seed=3), np.arange(40.0)
    whole = _whole(tmp_path, offsets, 16)
    owner = np.repeat(np.arange(40), np.diff(offsets))
    rows, _ = whole.gather(np.arange(offsets[-1]).astype("u2"), np.arange(whole.num_rows), 9999)
    expected = [values[owner[row[row != 9999]]].mean() for row in rows]
    assert whole.means(values) == pytest.approx(expected)


@pytest.mark.parametrize("harm", ["bit", "cut", "text", "other", "gone"])
def test_a_damaged_file_of_rows_is_written_again(tmp_path: Path, harm: str) -> None:
    offsets, path = _random_offsets(300, 20, seed=4), tmp_path / "rows.npz"
    expected = read_whole(path, offsets, 24)
    content = path.read_bytes()
    place = content.index(b"NUMPY") + 400
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    read_whole(path, _random_offsets(299, 20, seed=5), 24)
    harmed = {"bit": flipped, "cut": content[:-30], "text": b"no rows", "other": path.read_bytes()}
    path.unlink() if harm == "gone" else path.write_bytes(harmed[harm])
    found = read_whole(path, offsets, 24)
    assert np.array_equal(found.pieces.starts, expected.pieces.starts)
    assert np.array_equal(found.bounds, expected.bounds)
    assert path.read_bytes() == content


def test_a_kept_file_is_used_and_a_folder_may_be_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = _random_offsets(300, 20, seed=6)
    first = _whole(tmp_path, offsets, 24)
    with monkeypatch.context() as patched:
        patched.setattr("mixopt.corpus.whole.best_fit", None)
        assert np.array_equal(_whole(tmp_path, offsets, 24).bounds, first.bounds)
    (tmp_path / "file").write_text("in the place of a folder")
    assert read_whole(tmp_path / "file" / "rows.npz", offsets, 24).num_rows == first.num_rows
