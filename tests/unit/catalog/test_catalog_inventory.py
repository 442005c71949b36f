import json
import os
from pathlib import Path

import pytest
from catalog_fakes import build, domain, load, sentence, write_texts

from mixopt.catalog.documents import Document, Split
from mixopt.catalog.inventory import (
    DomainSupply,
    Inventory,
    iterate_documents,
    iterate_splits,
    read_inventory,
    read_shards,
)
from mixopt.errors import CatalogError, NotFoundError

ALL_TRAIN = "split = { validation = 0.0, test = 0.0 }"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    write_texts(tmp_path / "texts", range(5))
    records = [json.dumps({"text": sentence(number)}) for number in range(5, 9)]
    (tmp_path / "lines.jsonl").write_text("\n".join(records))
    lines = domain("lines", 'reader = "jsonl", path = "lines.jsonl"')
    texts = domain("texts", 'reader = "text", path = "texts"')
    return build(tmp_path, lines, texts, head=ALL_TRAIN).path


def test_domains_are_found_by_name_or_by_the_nearest(catalog: Path) -> None:
    inventory = read_inventory(catalog)
    assert inventory.names() == ("lines", "texts")
    assert inventory.names("conversation") == ()
    assert inventory.supply(["texts", "lines"]) == {"texts": 50, "lines": 40}
    with pytest.raises(NotFoundError, match="Did you mean 'texts'"):
        inventory.domain("text")
    with pytest.raises(NotFoundError, match="Did you mean 'lines'"):
        list(iterate_documents(catalog, "line", "train"))


def test_shards_have_absolute_paths_and_their_own_totals(catalog: Path) -> None:
    shards = read_shards(catalog, "texts")
    assert [shard.documents for shard in shards] == [1] * 5
    assert all(Path(shard.path).is_file() and Path(shard.path).is_absolute() for shard in shards)
    assert sum(shard.tokens for shard in shards) == 50
    assert read_shards(catalog, "lines")[0].format == "jsonl"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"lines.jsonl is missing"),
        ('{"text": "short"}', r"lines.jsonl has changed"),
        ("{same size}", r"lines.jsonl has changed"),
    ],
)
def test_a_shard_that_is_gone_or_changed_is_named(
    catalog: Path, content: str | None, message: str
) -> None:
    shard = catalog.parent / "lines.jsonl"
    original = shard.read_text()
    if content is None:
        shard.unlink()
    elif content == "{same size}":
        shard.write_text(original.replace("alder", "ALDER"))
    else:
        shard.write_text(content)
    with pytest.raises(CatalogError, match=message) as caught:
        list(iterate_documents(catalog, "lines", "train"))
    assert "build the catalog again" in caught.value.remedy.lower()
    assert len(list(iterate_documents(catalog, "texts", "train"))) == 5


def test_shards_of_other_splits_are_not_opened(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(40))
    head = "split = { validation = 0.3, test = 0.0 }"
    path = build(tmp_path, domain("texts", 'reader = "text", path = "texts"'), head=head).path
    held_out = list(iterate_documents(path, "texts", "validation"))
    for document in iterate_documents(path, "texts", "train"):
        number = next(n for n in range(40) if sentence(n) == document.text)
        (tmp_path / "texts" / f"{number:04d}.txt").unlink()
    assert held_out
    assert list(iterate_documents(path, "texts", "validation")) == held_out


def test_one_pass_gives_the_documents_of_all_splits(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(60))
    head = "split = { validation = 0.3, test = 0.2 }"
    path = build(tmp_path, domain("texts", 'reader = "text", path = "texts"'), head=head).path
    found: dict[Split, list[Document]] = {"train": [], "validation": [], "test": []}
    for split, document in iterate_splits(path, "texts", load=load):
        found[split].append(document)
    assert sum(len(documents) for documents in found.values()) == 60
    assert found == {split: list(iterate_documents(path, "texts", split)) for split in found}


def _lines(folder: Path, name: str, numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    records = [json.dumps({"text": sentence(number)}) for number in numbers]
    (folder / name).write_text("\n".join(records))


def test_only_shards_of_the_sample_are_opened(tmp_path: Path) -> None:
    for part in range(200):
        _lines(tmp_path / "lines", f"{part:03}.jsonl", range(10 * part, 10 * part + 10))
    sampled = domain(
        "lines",
        'reader = "jsonl", path = "lines"',
        head='provenance = "organic"\nsample_tokens = 640',
    )
    summary = build(tmp_path, sampled, head=ALL_TRAIN)
    before = list(iterate_documents(summary.path, "lines", "train"))
    supply = summary.inventory.domain("lines")
    assert (supply.documents, supply.sample_tokens) == (len(before), 10 * len(before))
    assert 55 <= len(before) <= 75
    assert (supply.supply_tokens, len(read_shards(summary.path, "lines"))) == (20_000, 200)
    numbers = {next(n for n in range(2000) if sentence(n) == each.text) // 10 for each in before}
    for part in set(range(200)) - numbers:
        (tmp_path / "lines" / f"{part:03}.jsonl").unlink()
    assert list(iterate_documents(summary.path, "lines", "train")) == before


def test_domains_that_are_cut_from_a_collection_are_read_back(tmp_path: Path) -> None:
    records = [{"text": sentence(n), "topic": "ab"[n % 2], "q": n / 100} for n in range(100)]
    text = "\n".join(json.dumps(record) for record in records)
    (tmp_path / "lines.jsonl").write_text(text)
    options = "scores = { quality = 'q' }, labels = { topic = 'topic' }"
    pool = f"""[[collection]]
name = "pool"
sources = [{{ reader = "jsonl", path = "lines.jsonl", {options} }}]"""
    cut = """[[domain]]
name = "good"
provenance = "organic"
from = ["pool"]
where = "topic = 'a' and quality > 0.5"
"""
    path = build(tmp_path, cut, pool, head=ALL_TRAIN).path
    found = {document.text for document in iterate_documents(path, "good", "train")}
    assert found == {sentence(n) for n in range(52, 100, 2)}
    (tmp_path / "lines.jsonl").write_text(text.replace(sentence(99), sentence(99).upper()))
    assert {document.text for document in iterate_documents(path, "good", "train")} == found
    _same_time(tmp_path / "lines.jsonl", text.replace(sentence(60), sentence(60).upper()))
    with pytest.raises(CatalogError, match="has changed"):
        list(iterate_documents(path, "good", "train"))


def _same_time(path: Path, text: str) -> None:
    """Change a file so that nothing but its content tells."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=times)


def test_ten_thousand_domains_are_looked_up_by_name() -> None:
    domains = tuple(
        DomainSupply(
            name=f"d{number}",
            provenance="organic",
            schema="text",
            licence="",
            supply_tokens=number,
            sample_tokens=number,
            documents=1,
            num_bytes=1,
            content_hash="",
        )
        for number in range(10_000)
    )
    inventory = Inventory(catalog="big", tokenizer="bytes", content_hash="", domains=domains)
    assert sum(inventory.supply(inventory.names()).values()) == 10_000 * 9_999 // 2
    with pytest.raises(NotFoundError) as caught:
        inventory.domain("d10000")
    assert len(str(caught.value)) < 500


def test_files_that_are_no_catalog_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        read_inventory(tmp_path / "absent.duckdb")
    (tmp_path / "bad.duckdb").write_text("no database")
    with pytest.raises(CatalogError, match=r"bad\.duckdb"):
        read_inventory(tmp_path / "bad.duckdb")
