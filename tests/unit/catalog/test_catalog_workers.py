import os
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path

import catalog_fakes
import pytest
from catalog_fakes import WordCounter, build, counting, domain, write_texts

from mixopt.catalog.building import measurer, reading
from mixopt.catalog.building.workers import Workers
from mixopt.catalog.documents import Document
from mixopt.catalog.query import run_query
from mixopt.errors import CatalogError

PROSE = domain("prose", 'reader = "text", path = "texts"')
NO_SPLIT = "split = { validation = 0.0, test = 0.0 }"
TABLES = {
    "domains": "*",
    "files": "* exclude (modified)",
    "shards": "*",
    "shard_splits": "*",
    "length_histograms": "*",
    "documents": "*",
    "quarantine": "*",
    "snapshot_domains": "*",
}


class DeadlyCounter(WordCounter):
    """Kills a worker process that meets the word `poison`, or any that it meets."""

    def __init__(self, word: str = "poison") -> None:
        self._word = word

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        if parent_process() is not None and any(self._word in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().count_batch(texts)


def content(path: Path) -> dict[str, object]:
    return {
        table: sorted(map(repr, run_query(path, f"select {columns} from {table}").rows))
        for table, columns in TABLES.items()
    }


def test_the_catalog_does_not_depend_on_workers_or_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts", range(60))
    (tmp_path / "texts" / "bad.txt").write_bytes(b"\xff")
    alone = build(tmp_path, PROSE, file="alone.duckdb")
    monkeypatch.setattr(measurer, "_TASK_FILES", 7)
    together = build(tmp_path, PROSE, file="together.duckdb", workers=3)
    monkeypatch.setattr(reading, "_BATCH_DOCUMENTS", 11)
    monkeypatch.setattr(measurer, "tasks_of", lambda jobs: [(job,) for job in reversed([*jobs])])
    upside_down = build(tmp_path, PROSE, file="upside_down.duckdb")
    assert alone.inventory == together.inventory == upside_down.inventory
    assert content(alone.path) == content(together.path) == content(upside_down.path)
    assert (together.measured, together.quarantined) == (61, 1)


def test_a_file_that_kills_its_worker_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts", range(12))
    (tmp_path / "texts" / "evil.txt").write_text("some poison")
    deadly = replace(counting(), counters=(DeadlyCounter(),))
    monkeypatch.setattr(catalog_fakes, "counting", lambda: deadly)
    summary = build(tmp_path, PROSE, head=NO_SPLIT, workers=2)
    assert (summary.inventory.domain("prose").documents, summary.quarantined) == (12, 1)
    rows = run_query(summary.path, "select path, unit, reason from quarantine").rows
    evil = str(tmp_path / "texts" / "evil.txt")
    assert rows == ((evil, "file", "the process that read it died"),)
    again = build(tmp_path, PROSE, head=NO_SPLIT, workers=1)
    assert (again.measured, again.reused, again.quarantined) == (1, 12, 0)


def test_an_error_of_a_worker_ends_the_build_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts", range(12))
    refused = counting()
    monkeypatch.setattr(measurer, "_TASK_FILES", 1)
    monkeypatch.setattr(catalog_fakes, "counting", lambda: replace(refused, render=refuse))
    with pytest.raises(CatalogError, match="no connection"):
        build(tmp_path, PROSE, workers=2)
    assert not (tmp_path / "catalog.duckdb").exists()
    monkeypatch.undo()
    summary = build(tmp_path, PROSE)
    assert summary.measured + summary.reused == 12


def refuse(document: Document) -> str:
    if parent_process() is not None:
        what = "no connection"
        raise CatalogError(what)
    return document.text


def test_nothing_to_measure_starts_no_process() -> None:
    with Workers(None, 4) as workers:  # type: ignore[arg-type] # measures nothing
        assert list(workers.measure(deque())) == []
        assert not workers._workers
