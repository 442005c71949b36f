import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from assembly_fakes import Fake, Row, domain, row, source

from mixopt.catalog.inventory import read_inventory
from mixopt.errors import CatalogError

RNG = np.random.default_rng(11)
SCORED = source(scores={"quality": "q"}, labels={"topic": "t"})


def scored(name: object, tokens: int, quality: float | None, topic: str, language: str) -> Row:
    measured: Row = {"language": language, "compressibility": 0.5, "repetition": 0.25}
    return row(name, tokens, quality=quality, topic=topic, **measured)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [
        scored(
            n, int(RNG.integers(1, 400)), float(RNG.normal()), "xyz"[n % 3], "de" if n % 4 else "en"
        )
        for n in range(200)
    ]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> Fake:
    """A domain of two files, and another of one."""
    held = [row("v", 40, split="validation"), row("t", 50, split="test")]
    files = {"web/1": rows[:70], "web/2": rows[70:], "code/1": [row("c", 30), *held]}
    fake = Fake(tmp_path_factory.mktemp("assemble"), files)
    fake.assemble(domain("web", sources=[SCORED]), domain("code", licence="MIT"))
    return fake


def test_totals_are_those_of_the_documents(fake: Fake, rows: list[Row]) -> None:
    total = sum(each["tokens"] for each in rows)
    sql = "select documents, bytes, tokens, train_tokens, shards from domains order by position"
    assert fake.rows(sql) == [(200, 4 * total, total, total, 2), (3, 480, 120, 30, 1)]
    first = sum(each["tokens"] for each in rows[:70])
    sql = "select domain, shard, documents, tokens from shards order by shard"
    assert fake.rows(sql) == [
        ("web", 1, 70, first),
        ("web", 2, 130, total - first),
        ("code", 3, 3, 120),
    ]
    sql = "select split, documents, tokens from shard_splits where domain = 'code' order by tokens"
    assert fake.rows(sql) == [("train", 1, 30), ("validation", 1, 40), ("test", 1, 50)]


def test_statistics_equal_those_of_numpy(fake: Fake, rows: list[Row]) -> None:
    quality = np.array([each["quality"] for each in rows])
    ((documents, mean, deviation, least, most, *quantiles),) = fake.rows(
        "select documents, mean, standard_deviation, least, most, p10, p50, p90 from score_summaries"
    )
    assert documents == 200
    assert (least, most) == (quality.min(), quality.max())
    assert [mean, deviation] == pytest.approx([quality.mean(), quality.std(ddof=1)])
    levels = [0.1, 0.5, 0.9]
    assert quantiles == np.quantile(quality, levels, method="inverted_cdf").tolist()
    median = np.quantile([each["bytes"] for each in rows], 0.5, method="inverted_cdf")
    sql = "select median_bytes, compressibility, repetition, language, language_share from domains"
    assert fake.rows(sql)[0] == (median, 0.5, 0.25, "de", 0.75)
    assert fake.rows(sql)[1][1:] == (None, None, None, None)


def test_labels_languages_and_lengths_are_counted(fake: Fake, rows: list[Row]) -> None:
    tokens = [sum(each["tokens"] for each in rows[place::3]) for place in range(3)]
    assert fake.rows("select value, documents, tokens from label_counts") == [
        ("x", 67, tokens[0]),
        ("y", 67, tokens[1]),
        ("z", 66, tokens[2]),
    ]
    assert [found[1:3] for found in fake.rows("select * from languages")] == [
        ("de", 150),
        ("en", 50),
    ]
    buckets = np.floor(np.log2([each["bytes"] for each in rows])).astype(int)
    sql = """select log2_bytes, sum(documents)::int from length_histograms
    where domain = 'web' group by 1 order by 1"""
    assert fake.rows(sql) == [(b, int((buckets == b).sum())) for b in np.unique(buckets).tolist()]


def _hash(rows: list[Row]) -> str:
    total = sum(each["fingerprint"] for each in rows)
    return hashlib.sha256(f"{len(rows)}:{total}".encode()).hexdigest()[:16]


def test_contents_are_named_by_their_documents(fake: Fake, rows: list[Row]) -> None:
    hashes = fake.rows("select content_hash from files order by shard limit 2")
    assert hashes == [(_hash(rows[:70]),), (_hash(rows[70:]),)]
    assert fake.rows("select content_hash from shards order by shard limit 2") == hashes
    inventory = read_inventory(fake.path)
    assert fake.rows("select content_hash from catalog_info") == [(inventory.content_hash,)]
    assert inventory.domain("web").content_hash != inventory.domain("code").content_hash
    assert inventory.domain("code").licence == "MIT"


def test_kept_documents_are_those_of_the_smallest_fingerprints(
    tmp_path: Path, rows: list[Row]
) -> None:
    fake = Fake(tmp_path, {"web/1": rows[:100], "web/2": rows[100:]})
    fake.assemble(domain("web", sources=[SCORED]), profile={"kept_documents": 5})
    sql = "select identity, tokens, scores, labels, shard, document, split, copies from documents"
    smallest = sorted(range(200), key=lambda number: int(rows[number]["fingerprint"]))[:5]
    assert fake.rows(sql) == [
        (
            f"{rows[number]['identity']:016x}",
            rows[number]["tokens"],
            {"quality": rows[number]["quality"]},
            {"topic": rows[number]["topic"]},
            1 + number // 100,
            number % 100,
            "train",
            1,
        )
        for number in smallest
    ]


def test_documents_without_scores_or_labels_say_none(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [scored(1, 5, None, "x", "en"), scored(2, 5, 0.5, "x", "en")]})
    fake.assemble(domain("web", sources=[SCORED]))
    assert sorted(map(str, fake.rows("select scores from documents"))) == [
        "({'quality': 0.5},)",
        "({},)",
    ]
    assert fake.rows("select documents, standard_deviation from score_summaries") == [(1, None)]
    fake.assemble(domain("web"))
    assert fake.rows("select distinct scores, labels from documents") == [({}, {})]


def test_further_tokenizers_have_their_own_counts(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [row(n, 10, further_tokens=[n, 7]) for n in range(4)]})
    fake.further = ("wide", "other")
    fake.assemble(domain("web"))
    assert fake.rows("select tokenizer, tokens from token_counts") == [
        ("words", 40),
        ("wide", 6),
        ("other", 28),
    ]


def test_sources_and_settings_can_be_read_back(fake: Fake) -> None:
    ((reader, options),) = fake.rows("select reader, options from sources where collection = 'web'")
    assert (reader, json.loads(options)["scores"]) == ("jsonl", {"quality": "q"})
    ((profile,),) = fake.rows("select profile from catalog_info")
    assert json.loads(profile)["kept_documents"] == 200
    sql = "select shard, collection, source, path, modified, storage, taken from files limit 1"
    assert fake.rows(sql) == [(1, "web", 1, "/web/1", "1", "{}", 70)]


def test_a_domain_that_is_all_held_out_is_an_error(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [row(1, split="test")], "code/1": [row(2)]})
    with pytest.raises(CatalogError, match="'web' has no document to train on") as caught:
        fake.assemble(domain("web"), domain("code"))
    assert "1 documents were found, all held out" in caught.value.why


def test_nothing_but_the_catalog_is_left_behind(fake: Fake) -> None:
    names = sorted(path.name for path in fake.folder.iterdir())
    assert names == ["fake.duckdb", "fake.measured.duckdb"]


def test_a_store_that_is_missing_is_an_error(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [row(1)]})
    fake.store.unlink()
    with pytest.raises(CatalogError, match="attach"):
        fake.assemble(domain("web"))
