import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from catalog_fakes import build, domain, sentence, write_texts

from mixopt.catalog.documents import SPLITS, Document
from mixopt.catalog.inventory import (
    DomainSupply,
    iterate_documents,
    read_inventory,
    read_shards,
)
from mixopt.catalog.query import run_query
from mixopt.errors import CatalogError

PROSE = domain("prose", 'reader = "text", path = "texts"')
HALVES = "split = { validation = 0.25, test = 0.25 }"
DRILLS = domain(
    "drills",
    'reader = "tasks", style = "statement", documents = 40, problems_per_document = 5',
    head='provenance = "synthetic"',
)
JUNK = domain("junk", 'reader = "garbled", domains = ["prose"], limit_bytes = 4000')


def test_statistics_are_those_of_the_documents(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(100))
    inventory = build(tmp_path, PROSE, head=HALVES).inventory
    supply = inventory.domain("prose")
    documents = {
        split: list(iterate_documents(tmp_path / "catalog.duckdb", "prose", split))
        for split in SPLITS
    }
    assert sum(len(found) for found in documents.values()) == supply.documents == 100
    assert supply.num_bytes == sum(len(sentence(number)) for number in range(100))
    assert supply.sample_tokens == supply.supply_tokens == 10 * len(documents["train"])
    assert 30 < len(documents["train"]) < 70


def test_splits_are_disjoint_and_stay_when_files_are_added(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    write_texts(tmp_path / "texts", range(60))
    sides = []
    for _ in range(2):
        build(tmp_path, PROSE, head=HALVES)
        sides.append({split: set(iterate_documents(path, "prose", split)) for split in SPLITS})
        write_texts(tmp_path / "texts", range(60, 120))
    assert all(sides[0][split] < sides[1][split] for split in SPLITS)
    assert sum(len(side) for side in sides[1].values()) == 120
    assert len(set.union(*sides[1].values())) == 120


def test_hashes_do_not_depend_on_file_names_formats_or_order(tmp_path: Path) -> None:
    write_texts(tmp_path / "one" / "texts", range(40))
    write_texts(tmp_path / "two" / "texts" / "deep", range(20), prefix="z")
    write_texts(tmp_path / "two" / "texts", range(20, 40), prefix="a")
    records = [json.dumps({"text": sentence(number)}) for number in reversed(range(40))]
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "texts.jsonl").write_text("\n".join(records))
    first = build(tmp_path / "one", PROSE).inventory
    second = build(tmp_path / "two", PROSE).inventory
    third = build(tmp_path / "three", domain("prose", 'reader="jsonl", path="texts.jsonl"'))
    assert first == second == third.inventory
    (tmp_path / "two" / "texts" / "a0020.txt").write_text("another text")
    assert build(tmp_path / "two", PROSE).inventory.content_hash != first.content_hash


def test_the_hash_names_supply_tokenizer_and_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(tmp_path / "texts", range(20))
    declared = PROSE.replace("sources", 'supply_tokens = "1.5T"\nsources')
    inventories = [build(tmp_path, PROSE).inventory, build(tmp_path, declared).inventory]
    assert inventories[1].supply(["prose"]) == {"prose": 1_500_000_000_000}
    inventories.append(build(tmp_path, PROSE, head="split = { test = 0.5 }").inventory)
    monkeypatch.setattr("catalog_fakes.WordCounter.digest", "words-2")
    inventories.append(build(tmp_path, PROSE).inventory)
    assert len({inventory.content_hash for inventory in inventories}) == 4


def test_duplicates_are_kept_counted_and_no_supply(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    write_texts(tmp_path / "texts" / "again", range(10))
    write_texts(tmp_path / "texts" / "third", range(5))
    supply = build(tmp_path, PROSE, head="split = { validation = 0.0, test = 0.0 }").inventory
    path = tmp_path / "catalog.duckdb"
    assert run_query(path, "select duplicate_share from domains").rows == ((1 - 10 / 25,),)
    assert len(list(iterate_documents(path, "prose", "train"))) == 25
    assert supply.domain("prose").sample_tokens == 250
    assert supply.domain("prose").supply_tokens == 100


def _scored(folder: Path, factor: int, options: str) -> tuple[DomainSupply, list[Document]]:
    """Build a domain of texts with a number each; return it and its training documents."""
    records = [json.dumps({"text": sentence(n), "q": n * factor}) for n in range(40)]
    (folder / "texts.jsonl").write_text("\n".join(records))
    source = f'reader = "jsonl", path = "texts.jsonl"{options}'
    summary = build(folder, domain("prose", source), head=HALVES)
    return summary.inventory.domain("prose"), list(
        iterate_documents(summary.path, "prose", "train")
    )


def test_scores_are_read_again_and_change_the_hash_alone(tmp_path: Path) -> None:
    scores = ", scores = { quality = 'q' }"
    built = [_scored(tmp_path, factor, text) for factor in (1, 2) for text in ("", scores)]
    for (_, documents), factor in zip(built[1::2], (1, 2), strict=True):
        for document in documents:
            ((name, value),) = document.scores
            assert (name, sentence(int(value) // factor)) == ("quality", document.text)
    hashes = [supply.content_hash for supply, _ in built]
    assert hashes[0] == hashes[2]
    assert len(set(hashes)) == 3
    assert len({replace(supply, content_hash="") for supply, _ in built}) == 1
    assert len({tuple(documents) for _, documents in built}) == 1


def test_scores_that_change_after_the_build_are_noticed(tmp_path: Path) -> None:
    records = [json.dumps({"text": sentence(n), "q": 1}) for n in range(40)]
    (tmp_path / "texts.jsonl").write_text("\n".join(records))
    source = 'reader = "jsonl", path = "texts.jsonl", scores = { quality = "q" }'
    path = build(tmp_path, domain("prose", source), head=HALVES).path
    (tmp_path / "texts.jsonl").write_text("\n".join(records).replace('"q": 1', '"q": 2'))
    with pytest.raises(CatalogError, match="has changed"):
        list(iterate_documents(path, "prose", "train"))


def test_problems_bring_their_difficulty(tmp_path: Path) -> None:
    written = DRILLS.replace("statement", "conversation").replace("40", "40, families = ['recall']")
    path = build(tmp_path, written.replace("40,", "40, levels = { recall = [2, 4] },")).path
    documents = list(iterate_documents(path, "drills", "train"))
    assert {document.scores[0][0] for document in documents} == {"difficulty"}
    assert all(document.text for document in documents)
    assert 3 < len({document.scores[0][1] for document in documents}) <= 6


def test_a_domain_of_long_documents(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(40))
    lengths = sorted(len(sentence(number)) for number in range(40))
    middle = lengths[20]
    long = PROSE.replace('"texts"', f'"texts", min_document_bytes = {middle}')
    short = PROSE.replace('"texts"', f'"texts", max_document_bytes = {middle - 1}')
    found = [build(tmp_path, each).inventory.domain("prose").documents for each in (long, short)]
    assert found == [sum(n >= middle for n in lengths), sum(n < middle for n in lengths)]
    assert min(found) > 0


def test_a_limit_is_spread_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    for part in range(4):
        records = [json.dumps({"text": sentence(1000 * part + n)}) for n in range(50)]
        (tmp_path / "lines" / f"{part}.jsonl").write_text("\n".join(records))
    source = 'reader = "jsonl", path = "lines", limit_bytes = 2000'
    supply = build(tmp_path, domain("prose", source)).inventory.domain("prose")
    counts = [shard.documents for shard in read_shards(tmp_path / "catalog.duckdb", "prose")]
    assert 2000 <= supply.num_bytes < 2000 + 4 * 80
    assert len(counts) == 4
    assert max(counts) - min(counts) <= 2


def test_generated_domains_are_the_same_in_every_build(tmp_path: Path) -> None:
    inventories = []
    for name in ("one", "two"):
        write_texts(tmp_path / name / "texts", range(40))
        inventories.append(build(tmp_path / name, JUNK, PROSE, DRILLS).inventory)
    assert inventories[0] == inventories[1]
    assert inventories[0].names() == ("junk", "prose", "drills")
    shards = read_shards(tmp_path / "one" / "catalog.duckdb", "drills")
    folder = tmp_path.resolve() / "one" / "catalog.shards" / "drills"
    assert Path(shards[0].path).parent == folder
    reseeded = build(tmp_path / "two", JUNK, PROSE, DRILLS, head="seed = 1").inventory
    assert reseeded.domain("prose") == inventories[0].domain("prose")
    assert reseeded.domain("drills").content_hash != inventories[0].domain("drills").content_hash


def test_garbled_text_is_made_of_training_documents_only(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(200))
    junk = JUNK.replace("limit_bytes", 'damages = ["shuffled_words"], copies = 1, limit_bytes')
    path = build(tmp_path, PROSE, junk, head=HALVES).path
    garbled = {
        tuple(sorted(document.text.split()))
        for split in SPLITS
        for document in iterate_documents(path, "junk", split)
    }
    training = [document.text for document in iterate_documents(path, "prose", "train")]
    assert len(garbled) > 20
    assert garbled <= {tuple(sorted(text.split())) for text in training}


def test_shards_of_an_earlier_build_are_removed_once_they_are_replaced(tmp_path: Path) -> None:
    build(tmp_path, DRILLS)
    (first,) = (tmp_path / "catalog.shards" / "drills").glob("part-*")
    build(tmp_path, DRILLS, head="seed = 7")
    (second,) = (tmp_path / "catalog.shards" / "drills").glob("part-*")
    assert first != second
    assert len(list(iterate_documents(tmp_path / "catalog.duckdb", "drills", "train"))) > 30


@pytest.mark.parametrize("fault", ["missing source", "crash while writing"])
def test_a_failing_build_leaves_the_old_catalog_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    write_texts(tmp_path / "texts", range(10))
    before = build(tmp_path, PROSE, DRILLS)
    content = before.path.read_bytes()
    missing = domain("lost", f'reader = "text", path = "{fault}"')
    if fault == "crash while writing":
        (tmp_path / fault).write_text("a text")
        monkeypatch.setattr("mixopt.catalog.building.build._flush_to_disk", _crash)
    with pytest.raises((CatalogError, KeyboardInterrupt)):
        build(tmp_path, PROSE, DRILLS, missing, head="seed = 3")
    assert before.path.read_bytes() == content
    assert not list(tmp_path.glob(".*"))
    assert len(list(iterate_documents(before.path, "drills", "train"))) > 30


def _crash(*_positional: object, **_named: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kilobytes", [100, 600, 2_000, 4_000])
def test_a_full_disk_leaves_the_old_catalog_whole(tmp_path: Path, kilobytes: int) -> None:
    write_texts(tmp_path / "texts", range(200))
    texts = domain("texts", 'reader = "text", path = "texts"')
    summary = build(tmp_path, texts)
    before = summary.path.read_bytes()
    assert len(before) > 4_000 * 1024
    write_texts(tmp_path / "texts", range(200, 800))
    unlimited, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, most))
    try:
        with pytest.raises(CatalogError, match=r"failed|does not open"):
            build(tmp_path, texts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, most))
    assert summary.path.read_bytes() == before
    assert build(tmp_path, texts).inventory.domain("texts").documents == 800


def test_leftovers_of_a_killed_build_do_not_matter(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    for name in (".catalog.duckdb.partial", ".catalog.duckdb.partial.wal"):
        (tmp_path / name).write_bytes(b"cut off")
    assert build(tmp_path, PROSE).inventory.domain("prose").documents == 10
    assert not list(tmp_path.glob(".*"))


def test_broken_input_is_listed_and_does_not_stop_the_build(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    (tmp_path / "texts" / "bad.txt").write_bytes(b"\xff")
    summary = build(tmp_path, PROSE)
    sql = "select collection, path, unit, position, reason from quarantine"
    rows = run_query(summary.path, sql).rows
    bad = str(tmp_path.resolve() / "texts" / "bad.txt")
    assert rows == (("prose", bad, "byte", 0, "not UTF-8: invalid start byte"),)
    assert summary.quarantined == 1
    assert summary.shards == 10


def test_a_domain_without_training_documents_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(CatalogError, match="no document to train on") as caught:
        build(tmp_path, PROSE)
    assert "bad.txt" in caught.value.why
    assert not (tmp_path / "catalog.duckdb").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(3))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CatalogError, match="cannot build"):
        build(tmp_path, PROSE, head="split = { test = 0.0 }", file="file/catalog.duckdb")


def test_tables_agree_with_each_other(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(30))
    path = build(tmp_path, PROSE, DRILLS, head=HALVES).path
    with duckdb.connect(str(path), read_only=True) as connection:
        for table in ("shards", "shard_splits", "length_histograms"):
            sql = f"select domain, sum(documents) from {table} group by 1 order by 1"
            assert connection.execute(sql).fetchall() == [("drills", 40), ("prose", 30)]
        sums = connection.execute("select sum(tokens), sum(bytes) from shard_splits").fetchone()
        assert connection.execute("select sum(tokens), sum(bytes) from domains").fetchone() == sums


def test_progress_tells_all_bytes_that_are_to_be_read(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(30))
    told: list[tuple[int, int]] = []
    build(tmp_path, PROSE, progress=lambda *counts: told.append(counts))
    size = sum(len(sentence(number)) for number in range(30))
    assert (told[0], told[-1]) == ((0, size), (size, size))
    assert told == sorted(told)
    told.clear()
    build(tmp_path, PROSE, progress=lambda *counts: told.append(counts))
    assert set(told) == {(0, 0)}


def test_conversations_are_read_back_as_they_were(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": turns}))
    head = 'provenance = "ai_curated"\nschema = "conversation"'
    chat = domain("chat", 'reader = "jsonl", path = "chat.jsonl"', head=head)
    write_texts(tmp_path / "texts", range(3))
    summary = build(tmp_path, PROSE, chat, head="split = { validation = 0.0, test = 0.0 }")
    assert list(iterate_documents(summary.path, "chat", "train")) == [
        Document(messages=(("user", "2 + 2"), ("assistant", "4")))
    ]
    assert summary.inventory.names("conversation") == ("chat",)
    assert summary.inventory.domain("chat").sample_tokens == 4
    shutil.move(summary.path, tmp_path / "moved.duckdb")
    assert read_inventory(tmp_path / "moved.duckdb") == summary.inventory


def test_protected_texts_are_found_in_the_documents_and_part_of_what_is_measured(
    tmp_path: Path,
) -> None:
    texts = write_texts(tmp_path / "texts", range(10))
    write_texts(tmp_path / "exam", [3])
    (texts / "leak.txt").write_text(f"the exam says {sentence(3)} and so on")
    exam = '[[protected]]\nname = "exam"\nsources = [{ reader = "text", path = "exam" }]\n'
    head = "profile = { contamination = 10 }\nsplit = { validation = 0.0, test = 0.0 }"
    summary = build(tmp_path, PROSE, exam, head=head)
    sql = "select source, documents from contaminations where source = 'exam'"
    assert run_query(summary.path, sql).rows == (("exam", 2),)
    write_texts(tmp_path / "exam", [4])
    assert build(tmp_path, PROSE, exam, head=head).measured == 11
    assert run_query(summary.path, sql).rows == (("exam", 3),)


def test_protected_texts_that_cannot_be_found_are_told(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    write_texts(tmp_path / "exam", [3])
    (tmp_path / "exam" / "broken.txt").write_bytes(b"\xff\xfe broken")
    (tmp_path / "exam" / "short.txt").write_text("too short")
    exam = '[[protected]]\nname = "exam"\nsources = [{ reader = "text", path = "exam" }]\n'
    broken, short = build(tmp_path, PROSE, exam).notes
    assert "not looked for: 1. The first" in broken
    assert "broken.txt" in broken
    assert short.endswith("too short to be looked for: 1.")
    assert build(tmp_path, PROSE, exam, head="profile = { contamination = false }").notes == ()


def test_a_protected_set_without_a_text_is_refused(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    (tmp_path / "exam").mkdir()
    (tmp_path / "exam" / "broken.txt").write_bytes(b"\xff\xfe broken")
    exam = '[[protected]]\nname = "exam"\nsources = [{ reader = "text", path = "exam" }]\n'
    with pytest.raises(CatalogError, match=r"'exam' has no text[\s\S]*broken.txt"):
        build(tmp_path, PROSE, exam)


def test_the_number_of_workers_may_be_chosen_by_what_there_is_to_read(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(10))
    assert build(tmp_path, PROSE, workers=0).measured == 10
