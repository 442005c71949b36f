from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import FakeEngine, search
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.study.search import run_search
from mixopt.study.worth import note_worth, read_worths, say_worth

_SETTINGS: dict[str, object] = {
    "sampler": "law",
    "trials": 12,
    "design": 8,
    "batch": 4,
    "seeds": 1,
    "lane": 4,
}


def test_a_search_ends_when_too_little_is_to_be_gained(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    told: list[tuple[int, float]] = []
    setup = make_setup(tiny_store, quick_path, **_SETTINGS, least_gain=1e6)
    for _ in range(2):  # again from where it ended
        run_search(setup, FakeEngine(), lambda _steps: None, lambda *each: told.append(each))
    assert len(setup.ledger.records()) == 8
    assert told[0] == told[1]
    assert read_worths(quick_path) == {8: told[0][1]}
    endless = make_setup(tiny_store, quick_path, **_SETTINGS)
    search(endless)
    assert len(endless.ledger.records()) == 12
    assert list(read_worths(quick_path)) == [8]


def test_any_sampler_can_be_ended(tiny_store: TokenStore, quick_path: Path) -> None:
    settings = {**_SETTINGS, "sampler": "tpe"}
    setup = make_setup(tiny_store, quick_path, **settings, least_gain=1e6)
    search(setup)
    assert len(setup.ledger.records()) == 8


def test_worths_of_batches_that_were_taken_back_are_forgotten(tmp_path: Path) -> None:
    assert read_worths(tmp_path) == {}
    for first, worth in ((8, 0.5), (12, 0.25), (12, 0.125)):
        note_worth(tmp_path, first, worth)
    assert read_worths(tmp_path) == {8: 0.5, 12: 0.125}
    (tmp_path / "worth.json").write_text("[1]")
    with pytest.raises(StudyError, match=r"worth\.json is damaged"):
        read_worths(tmp_path)


def test_the_end_of_a_search_is_told() -> None:
    assert "search ends" in say_worth(8, 0.01, 0.02)
    assert "search ends" not in say_worth(8, 0.01, 0.0)
