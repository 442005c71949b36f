from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mixopt.evaluation.measure import Measure
from mixopt.training.states import Saved, State, StateCache, StateSettings, Use

_MEASURE = Measure(stage="late", name="margin", subject="mean", value=0.1, standard_error=1 / 3)


def _cache(folder: Path, limit_bytes: int = 1 << 20) -> StateCache:
    return StateCache(StateSettings(folder=folder, limit_bytes=limit_bytes))


def _saved(step: int = 3, size: int = 8) -> Saved:
    rows = torch.arange(3.0 * size).view(3, size) / 7 + step
    state = State(parameters=rows[0], first_moments=rows[1], second_moments=rows[2], steps=9.0)
    return Saved(step=step, state=state, measures=(_MEASURE,), examined=True)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.safetensors")}


@pytest.mark.parametrize("use", ["shared", "running"])
def test_a_state_comes_back_bit_for_bit(quick_path: Path, use: Use) -> None:
    saved = _saved()
    _cache(quick_path).save("a", saved, use)
    found = _cache(quick_path).load("a")
    assert found is not None
    assert replace(found, state=None) == replace(saved, state=None)
    assert found.state is not None
    assert saved.state is not None
    for name in ("parameters", "first_moments", "second_moments"):
        assert torch.equal(getattr(found.state, name), getattr(saved.state, name))
    assert found.state.steps == 9.0


def test_a_fresh_state_has_no_moments(quick_path: Path) -> None:
    state = _saved().state
    assert state is not None
    _cache(quick_path).save("a", replace(_saved(), state=state.fresh()), "shared")
    found = _cache(quick_path).load("a")
    assert found is not None
    assert found.state is not None
    assert found.state.first_moments is found.state.second_moments is None


def test_a_diverged_node_is_known_without_a_state(quick_path: Path) -> None:
    lost = Saved(step=2, state=None, measures=(_MEASURE,), diverged_at=14)
    _cache(quick_path).save("a", lost, "shared")
    assert _cache(quick_path).load("a") == lost


def test_the_newest_checkpoint_replaces_older_ones(quick_path: Path) -> None:
    cache = _cache(quick_path)
    for step in (2, 5, 30):
        cache.save("a", _saved(step), "running")
    cache.save("ab", _saved(1), "running")
    assert _files(quick_path) == {"a-00000030.safetensors", "ab-00000001.safetensors"}
    cache.drop_running(["a"])
    assert cache.load("a") is None
    assert cache.load("ab") is not None


@pytest.mark.parametrize("damage", ["flipped", "short", "header", "text"])
def test_a_damaged_state_counts_as_missing(quick_path: Path, damage: str) -> None:
    cache = _cache(quick_path)
    cache.save("a", _saved(2), "shared")
    cache.save("a", _saved(5), "running")
    (path,) = (quick_path / "running").iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    elif damage == "header":
        content = content.replace(b"0.1", b"0.2", 1)
    elif damage == "short":
        content = content[:-9]
    path.write_bytes(b"hello" if damage == "text" else content)
    found = cache.load("a")
    assert found is not None
    assert found.step == 2
    assert not path.exists()


def test_the_least_recently_used_state_makes_room(quick_path: Path) -> None:
    _cache(quick_path).save("a", _saved(), "shared")
    (path,) = (quick_path / "shared").iterdir()
    cache = _cache(quick_path, limit_bytes=2 * path.stat().st_size)
    cache.save("b", _saved(), "shared")
    for age, key in enumerate("ba"):
        (path,) = (quick_path / "shared").glob(f"{key}-*")
        os.utime(path, ns=(age * 10**9, age * 10**9))
    assert cache.load("b") is not None  # used last now
    cache.save("c", _saved(), "shared")
    assert cache.load("a") is None
    assert {name[0] for name in _files(quick_path)} == {"b", "c"}


def test_what_is_running_is_never_evicted(quick_path: Path) -> None:
    cache = _cache(quick_path, limit_bytes=0)
    cache.save("a", _saved(), "running")
    cache.save("b", _saved(), "shared")
    assert {name[0] for name in _files(quick_path)} == {"a"}
    assert cache.load("a") is not None


def test_what_a_killed_writer_left_goes_with_the_checkpoint(quick_path: Path) -> None:
    cache = _cache(quick_path)
    cache.save("a", _saved(), "running")
    (quick_path / "running" / ".a-00000004.safetensors.x1").write_bytes(b"half")
    cache.drop_running(["a"])
    assert list((quick_path / "running").iterdir()) == []
