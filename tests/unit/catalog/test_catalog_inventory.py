import json
from pathlib import Path

import pytest
from catalog_fakes import build, domain, sentence, write_texts

from mixopt.catalog.inventory import iterate_documents, read_inventory, read_shards
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
    assert all(shard.path.is_file() and shard.path.is_absolute() for shard in shards)
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


def test_files_that_are_no_catalog_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        read_inventory(tmp_path / "absent.duckdb")
    (tmp_path / "bad.duckdb").write_text("no database")
    with pytest.raises(CatalogError, match=r"bad\.duckdb"):
        read_inventory(tmp_path / "bad.duckdb")
