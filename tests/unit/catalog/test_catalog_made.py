from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_fakes import build, domain, sentence, write_texts

from mixopt.catalog import generate
from mixopt.catalog.building import made
from mixopt.catalog.documents import Document

TASKS = domain("tasks", 'reader = "tasks", style = "statement", documents = 60')
PROSE = domain("prose", 'reader = "text", path = "texts"')
JUNK = domain("junk", 'reader = "garbled", domains = ["prose"], limit_bytes = "1KB"')
HEAD = "split = { validation = 0.1, test = 0.1 }"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domains whose shards were written, in the order in which they were."""
    write_texts(tmp_path / "texts", range(40))
    domains: list[str] = []

    def write(documents: Iterator[Document], folder: Path, source: int) -> list[Path]:
        domains.append(folder.name)
        return generate.write_shards(documents, folder, source)

    monkeypatch.setattr(made, "write_shards", write)
    return domains


def test_shards_are_made_once(tmp_path: Path, written: list[str]) -> None:
    before = build(tmp_path, TASKS, PROSE, JUNK, head=HEAD).inventory
    assert written == ["tasks", "junk"]
    (tmp_path / "texts" / "0003.txt").touch()
    assert build(tmp_path, TASKS, PROSE, JUNK, head=HEAD).inventory == before
    assert written == ["tasks", "junk"]


def test_other_text_seeds_and_settings_make_other_shards(
    tmp_path: Path, written: list[str]
) -> None:
    build(tmp_path, TASKS, PROSE, JUNK, head=HEAD)
    for number in range(40):
        (tmp_path / "texts" / f"{number:04d}.txt").write_text(sentence(number + 500))
    changed = build(tmp_path, TASKS, PROSE, JUNK, head=HEAD).inventory
    assert written[2:] == ["junk"]
    afresh = build(tmp_path, TASKS, PROSE, JUNK, head=HEAD, file="afresh.duckdb").inventory
    assert afresh == changed
    build(tmp_path, TASKS.replace("60", "61"), PROSE, JUNK, head=HEAD)
    assert written[5:] == ["tasks"]
    build(tmp_path, TASKS.replace("60", "61"), PROSE, JUNK, head=f"seed = 9\n{HEAD}")
    assert written[6:] == ["tasks", "junk"]


def test_a_shard_that_is_gone_or_cut_is_made_again(tmp_path: Path, written: list[str]) -> None:
    before = build(tmp_path, TASKS).inventory
    (shard,) = (tmp_path / "catalog.shards" / "tasks").glob("*.jsonl")
    content = shard.read_bytes()
    shard.write_bytes(content[:100])
    assert build(tmp_path, TASKS).inventory == before
    shard.unlink()
    assert build(tmp_path, TASKS).inventory == before
    assert shard.read_bytes() == content
    assert written == ["tasks"] * 3


def test_other_code_makes_other_shards(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, TASKS)
    build(tmp_path, TASKS)
    monkeypatch.setattr(generate, "_WRITERS", {"statement": lambda problem: problem.answer})
    build(tmp_path, TASKS)
    assert written == ["tasks"] * 2


def test_a_manifest_that_cannot_be_read_is_written_anew(tmp_path: Path, written: list[str]) -> None:
    build(tmp_path, TASKS)
    (manifest,) = (tmp_path / "catalog.shards" / "tasks").glob("made-*")
    content = manifest.read_bytes()
    for damaged in (b"", b"[1]", content[:-9], content.replace(b"shards", b"others")):
        manifest.write_bytes(damaged)
        build(tmp_path, TASKS)
        assert manifest.read_bytes() == content
    build(tmp_path, PROSE)
    assert not manifest.exists()
    assert written == ["tasks"] * 5
