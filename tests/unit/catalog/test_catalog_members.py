from pathlib import Path

import pytest
from assembly_fakes import Fake, domain, row, source

from mixopt.errors import CatalogError

TOPICS = {"name": "pool", "sources": [source(scores={"quality": "q"}, labels={"topic": "t"})]}


@pytest.fixture
def pool(tmp_path: Path) -> Fake:
    """Two files of 30 documents: topics a, b and c in turn, quality from 0 to 59."""
    rows = [row(n, n + 1, topic="abc"[n % 3], quality=float(n)) for n in range(60)]
    return Fake(tmp_path, {"pool/1": rows[:30], "pool/2": rows[30:]})


def cut(name: str, where: str | None) -> dict[str, object]:
    condition = {} if where is None else {"where": where}
    return domain(name, **{"from": ["pool"], **condition})


def test_domains_are_cut_by_conditions_over_scores_and_labels(pool: Fake) -> None:
    best = cut("best", "topic = 'a' and quality >= 30 -- the best")
    pool.assemble(best, cut("b", "topic = 'b'"), collection=[TOPICS])
    found = pool.rows("select name, documents, tokens, shards from domains order by position")
    best_tokens = sum(n + 1 for n in range(30, 60, 3))
    assert found == [("best", 10, best_tokens, 1), ("b", 20, sum(range(2, 60, 3)), 2)]
    assert pool.rows("select documents, rest_documents, rest_tokens from collections") == [
        (60, 30, 60 * 61 // 2 - best_tokens - sum(range(2, 60, 3)))
    ]
    assert pool.rows("select documents::varchar from members where domain = 'best'") == [
        (("100" * 10).rstrip("0"),)
    ]


def test_a_domain_without_a_condition_takes_all(pool: Fake) -> None:
    pool.assemble(cut("all", None), collection=[TOPICS])
    assert pool.rows("select documents, sample_documents from domains") == [(60, 60)]
    assert pool.rows("select distinct documents::varchar from members") == [("1" * 30,)]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("shard = 2", 30),
        ("path = '/pool/1' and document < 5", 5),
        ("split = 'train' and tokens between 11 and 20", 10),
        ("bytes > 4 * 50", 10),
        ("substr(identity, 1, 1) >= '8'", 60),
    ],
)
def test_conditions_see_what_every_document_has(pool: Fake, where: str, count: int) -> None:
    pool.assemble(cut("some", where), collection=[TOPICS])
    assert pool.rows("select documents from domains") == [(count,)]


def test_new_buckets_need_no_files(pool: Fake) -> None:
    # No file of the store exists, so nothing can have been opened.
    hashes = []
    for where in ("quality < 20", "quality < 40", "topic = 'a'", "quality < 20"):
        pool.assemble(cut("bucket", where), collection=[TOPICS])
        hashes += pool.rows("select content_hash from domains")
    assert len(set(hashes)) == 3
    assert hashes[0] == hashes[3]


def test_overlapping_domains_are_refused_with_numbers(pool: Fake) -> None:
    with pytest.raises(CatalogError, match="overlap") as caught:
        pool.assemble(cut("low", "quality < 30"), cut("a", "topic = 'a'"), collection=[TOPICS])
    assert "'a' and 'low' have 10" in caught.value.why
    assert not pool.path.exists()


def test_a_condition_that_fails_on_a_document_is_named(pool: Fake) -> None:
    with pytest.raises(CatalogError, match="condition of domain 'odd' fails") as caught:
        pool.assemble(cut("odd", "topic::integer = 3"), collection=[TOPICS])
    assert "INT" in caught.value.why


def test_a_condition_that_no_training_document_meets_is_an_error(pool: Fake) -> None:
    with pytest.raises(CatalogError, match="domain 'none' has no document to train on") as caught:
        pool.assemble(cut("none", "quality > 99"), collection=[TOPICS])
    assert "No document was found" in caught.value.why


def test_a_collection_may_feed_a_domain_beside_another(tmp_path: Path) -> None:
    files = {name: [row((name, n), topic="a") for n in range(4)] for name in ("one/1", "two/1")}
    fake = Fake(tmp_path, files)
    collections = [{**TOPICS, "name": name} for name in ("one", "two")]
    both = domain("both", **{"from": ["one", "two"], "where": "topic = 'a' and document > 0"})
    fake.assemble(both, collection=collections)
    assert fake.rows("select documents, shards from domains") == [(6, 2)]
    assert fake.rows("select name, rest_documents from collections order by 1") == [
        ("one", 1),
        ("two", 1),
    ]
