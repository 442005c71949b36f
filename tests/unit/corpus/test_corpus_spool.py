"""The spool: arrays come back in the order of their keys, and copies are kept apart."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mixopt.corpus.spool import ContentOrder, Spool


@pytest.mark.parametrize("storage", ["<u2", "<u4"])
def test_arrays_are_written_in_key_order(tmp_path: Path, storage: str) -> None:
    dtype = np.dtype(storage)
    arrays = {"c": [5, 6], "a": [1], "b": [], "d": [65535, 0, 2]}
    out = io.BytesIO()
    with closing(Spool(tmp_path / "spool", dtype)) as spool:
        for key, values in arrays.items():
            spool.add(key, np.array(values, np.uint32))
        order, offsets = spool.write_sorted(out)
    assert np.frombuffer(out.getvalue(), dtype).tolist() == [1, 5, 6, 65535, 0, 2]
    assert order.tolist() == [1, 2, 0, 3]
    assert offsets.tolist() == [0, 1, 1, 3, 6]
    assert not (tmp_path / "spool").exists()


def test_an_empty_spool_writes_nothing(tmp_path: Path) -> None:
    out = io.BytesIO()
    with closing(Spool(tmp_path / "spool", np.dtype("<u2"))) as spool:
        order, offsets = spool.write_sorted(out)
    assert out.getvalue() == b""
    assert (order.tolist(), offsets.tolist()) == ([], [0])


def test_the_first_copy_is_ordered_by_identity_and_the_others_elsewhere() -> None:
    order, again = ContentOrder(), ContentOrder()
    keys = [order.key("ab") for _ in range(3)]
    assert keys[0] == "ab"
    assert len(set(keys)) == 3
    assert order.key("cd") == "cd"
    assert [again.key("ab") for _ in range(3)] == keys
