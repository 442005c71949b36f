import os
import shutil
from pathlib import Path

import catalog_fakes
import duckdb
import pytest
from catalog_fakes import WordCounter, build, domain, sentence, write_texts

from mixopt.catalog.building import reading
from mixopt.catalog.building.build import CatalogSummary
from mixopt.catalog.building.lock import only_build
from mixopt.catalog.documents import Document
from mixopt.catalog.query import run_query
from mixopt.errors import CatalogError

PROSE = domain("prose", 'reader = "text", path = "texts"')
NO_SPLIT = "split = { validation = 0.0, test = 0.0 }"


def counts(summary: CatalogSummary) -> tuple[int, int, int]:
    return (summary.measured, summary.reused, summary.removed)


def test_only_files_that_changed_are_read_again(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", range(10))
    assert counts(build(tmp_path, PROSE)) == (10, 0, 0)
    assert counts(build(tmp_path, PROSE)) == (0, 10, 0)
    (texts / "0003.txt").write_text("another text")
    (texts / "0004.txt").unlink()
    write_texts(texts, range(10, 13))
    summary = build(tmp_path, PROSE)
    assert counts(summary) == (4, 8, 1)
    afresh = build(tmp_path, PROSE, file="afresh.duckdb")
    assert counts(afresh) == (12, 0, 0)
    assert afresh.inventory == summary.inventory


def test_touched_and_moved_files_are_known_by_their_content(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", range(10))
    before = build(tmp_path, PROSE).inventory
    os.utime(texts / "0000.txt")
    shutil.move(texts / "0001.txt", texts / "moved.txt")
    summary = build(tmp_path, PROSE)
    assert counts(summary) == (0, 10, 1)
    assert summary.inventory == before
    paths = run_query(summary.path, "select path from files").rows
    assert (str(texts / "moved.txt"),) in paths
    shutil.copy(texts / "0002.txt", texts / "copy.txt")
    assert counts(build(tmp_path, PROSE)) == (1, 10, 0)
    assert counts(build(tmp_path, PROSE)) == (0, 11, 0)


def test_a_rewrite_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", range(5))
    before = build(tmp_path, PROSE)
    changed = sentence(3)[::-1]
    (texts / "0003.txt").write_text(changed)
    os.utime(texts / "0003.txt", ns=(0, 0))
    summary = build(tmp_path, PROSE)
    assert counts(summary) == (1, 4, 0)
    assert summary.inventory.content_hash != before.inventory.content_hash


def test_another_tokenizer_or_reading_measures_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts", range(10))
    build(tmp_path, PROSE)
    least = PROSE.replace('"texts"', '"texts", min_document_bytes = 5')
    assert counts(build(tmp_path, least)) == (10, 0, 0)
    monkeypatch.setattr(WordCounter, "digest", "words-2")
    assert counts(build(tmp_path, PROSE)) == (10, 0, 0)
    monkeypatch.undo()
    assert counts(build(tmp_path, PROSE, head="seed = 3")) == (10, 0, 0)
    licensed = PROSE.replace("sources", 'licence = "CC0"\nsources')
    assert counts(build(tmp_path, licensed)) == (0, 10, 0)


def test_a_file_in_two_domains_is_read_once(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    twice = build(tmp_path, PROSE, PROSE.replace('"prose"', '"again"'), head=NO_SPLIT)
    assert counts(twice) == (10, 0, 0)
    assert [each.documents for each in twice.inventory.domains] == [10, 10]
    assert (
        twice.inventory.domain("prose").content_hash == twice.inventory.domain("again").content_hash
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    texts = write_texts(tmp_path / "texts", range(4))
    rest = [times]

    def render(document: Document) -> str:
        if rest[0] and document.text != sentence(1):
            rest[0] -= 1
            (texts / "0000.txt").write_text(f"changed {rest[0]}")
        return document.text

    monkeypatch.setattr(reading, "_BATCH_DOCUMENTS", 1)
    monkeypatch.setattr(catalog_fakes, "render", render)
    summary = build(tmp_path, PROSE, head=NO_SPLIT)
    reasons = run_query(summary.path, "select reason from quarantine").rows
    if times == 1:
        assert (summary.quarantined, summary.inventory.domain("prose").documents) == (0, 4)
    else:
        assert reasons in ((), (("it changes while it is read",),))
        assert summary.inventory.domain("prose").documents + len(reasons) == 4


def test_a_damaged_store_is_set_aside(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(5))
    before = build(tmp_path, PROSE)
    store = tmp_path / "catalog.measured.duckdb"
    store.write_bytes(b"no database" * 1000)
    summary = build(tmp_path, PROSE)
    assert counts(summary) == (5, 0, 0)
    assert summary.inventory == before.inventory
    (note,) = summary.notes
    assert "catalog.measured.duckdb.damaged" in note
    assert build(tmp_path, PROSE).notes == ()


def test_a_label_that_becomes_a_score_begins_the_store_anew(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "one two", "q": 1}\n' * 3)
    source = 'reader = "jsonl", path = "texts.jsonl", labels = { q = "q" }'
    build(tmp_path, domain("prose", source), head=NO_SPLIT)
    summary = build(tmp_path, domain("prose", source.replace("labels", "scores")), head=NO_SPLIT)
    assert counts(summary) == (1, 0, 0)
    assert len(summary.notes) == 1


def test_two_builds_at_once_are_refused(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(5))
    with (
        only_build(tmp_path / "catalog.duckdb"),
        pytest.raises(CatalogError, match="is being built"),
    ):
        build(tmp_path, PROSE)
    assert build(tmp_path, PROSE).measured == 5
    assert not list(tmp_path.glob(".*"))


def test_unwanted_measurements_are_forgotten_once_they_are_the_most(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts", range(10))
    build(tmp_path, PROSE)
    for number in range(6):
        (texts / f"{number:04d}.txt").unlink()
    build(tmp_path, PROSE)
    assert stored_files(tmp_path) == 4
    write_texts(texts, range(3))
    assert counts(build(tmp_path, PROSE)) == (3, 4, 0)
    (texts / "0000.txt").unlink()
    build(tmp_path, PROSE)
    assert stored_files(tmp_path) == 7


def stored_files(folder: Path) -> int:
    store = folder / "catalog.measured.duckdb"
    with duckdb.connect(str(store), read_only=True) as connection:
        (count,) = connection.execute("select count(*) from files").fetchone() or (0,)
    return int(count)
