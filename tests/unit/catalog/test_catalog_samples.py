from pathlib import Path

import numpy as np
import pytest
from assembly_fakes import Fake, domain, row

from mixopt.catalog.building import samples
from mixopt.errors import CatalogError

LEAN = {"near_duplicates": None, "contamination": None, "kept_documents": 0}
SIZES = (3, 200, 40, 90, 1, 7, 60)


def uneven(split: str = "train") -> dict[str, list[dict[str, object]]]:
    """Shards of very different size, whose documents become longer towards the end of each."""
    return {
        f"all/{shard}": [row((shard, n), 5 + 3 * n, split=split) for n in range(size)]
        for shard, size in enumerate(SIZES)
    }


def _times_chosen(fake: Fake) -> np.ndarray:
    """How many domains take each document, shard by shard."""
    counts = {shard: np.zeros(size) for shard, size in enumerate(SIZES, start=1)}
    sql = "select shard, documents::varchar from members"
    total = len(fake.rows("select name from domains"))
    for number, bits in fake.rows(sql):
        chosen = np.frombuffer(bits.encode(), np.uint8) - ord("0")
        counts[(number - 1) % len(SIZES) + 1][: len(chosen)] += chosen
    return np.concatenate([counts[shard] for shard in sorted(counts)]) / total


def test_every_document_has_the_same_chance(tmp_path: Path) -> None:
    # The sample of each domain is drawn by a seed of its own, from the same files.
    fake = Fake(tmp_path, uneven())
    total, draws, wanted = sum(5 + 3 * n for size in SIZES for n in range(size)), 300, 9000
    fake.assemble(*(domain(f"d{n}", sample_tokens=wanted) for n in range(draws)), profile=LEAN)
    chance, error = wanted / total, np.sqrt(wanted / total * (1 - wanted / total) / draws)
    found = _times_chosen(fake)
    assert np.abs(found - chance).max() < 4.5 * error
    assert found.mean() == pytest.approx(chance, abs=0.3 * error)
    tokens = np.array([tokens for (tokens,) in fake.rows("select sample_tokens from domains")])
    assert tokens.mean() == pytest.approx(wanted, abs=4 * tokens.std() / np.sqrt(draws))
    assert tokens.std() < 0.2 * wanted
    assert fake.rows("select distinct train_tokens, supply_tokens from domains") == [(total, total)]


def test_a_label_that_goes_with_place_and_size_is_not_favoured(tmp_path: Path) -> None:
    fake = Fake(tmp_path, uneven())
    domains = [domain(f"d{n}", sample_tokens=9000) for n in range(200)]
    fake.assemble(*domains, profile=LEAN)
    long = np.concatenate([5 + 3 * np.arange(size) > 100 for size in SIZES])
    lengths = np.concatenate([5 + 3 * np.arange(size) for size in SIZES])
    found = _times_chosen(fake)
    estimated = (found * lengths * long).sum() / (found * lengths).sum()
    assert estimated == pytest.approx((lengths * long).sum() / lengths.sum(), abs=0.005)


def test_shards_between_the_windows_are_left_out(tmp_path: Path) -> None:
    files = {f"web/{n}": [row((n, each), 10) for each in range(5)] for n in range(1000)}
    fake = Fake(tmp_path, files)
    fake.assemble(domain("web", sample_tokens=640), profile=LEAN)
    ((shards, tokens),) = fake.rows(
        "select count(*), any_value(sample_tokens) from members, domains"
    )
    assert tokens == 640
    assert shards == 64
    apart = np.diff([shard for (shard,) in fake.rows("select shard from members order by 1")])
    assert apart.min() >= 15
    assert apart.max() <= 16


def test_held_out_documents_are_kept_up_to_what_measures_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [row(("v", n), 10, split="validation") for n in range(400)]
    files = {
        f"web/{n}": [*held[20 * n : 20 * n + 20], *(row((n, each), 10) for each in range(500))]
        for n in range(20)
    }
    fake, found = Fake(tmp_path, files), []
    for needed in (10**6, 2000, 1):
        monkeypatch.setattr(samples, "_HELD_OUT_TOKENS", needed)
        fake.assemble(domain("web", sample_tokens=20_000), profile=LEAN)
        (sums,) = fake.rows("select sample_tokens, sample_bytes, sample_documents from domains")
        found.append((sums[2] - sums[0] // 10) * 10)
        assert sums[0] == pytest.approx(20_000, rel=0.05)
    assert found[0] == 4000
    assert 1200 <= found[1] <= 2800
    assert found[2] < found[1]


def test_the_seed_and_the_name_decide(tmp_path: Path) -> None:
    fake, found = Fake(tmp_path, uneven()), []
    for seed in (1, 2, 1):
        fake.assemble(domain("a", sample_tokens=500), domain("b"), profile=LEAN, seed=seed)
        found.append(fake.rows("select content_hash from domains order by position"))
    assert found[0] == found[2]
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]
    assert fake.rows("select distinct domain from members") == [("a",)]


def test_samples_of_all_there_is_and_of_nothing(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [row(n, 1000) for n in range(3)]})
    fake.assemble(domain("web", sample_tokens=3000), profile=LEAN)
    assert fake.rows("select sample_tokens from domains") == [(3000,)]
    assert fake.rows("select * from members") == []
    with pytest.raises(CatalogError, match="sample of domain 'web' has no document"):
        fake.assemble(domain("web", sample_tokens=1), profile=LEAN)


def test_domains_cut_from_collections_can_be_sampled(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"pool/1": [row(n, 10) for n in range(500)]})
    collection = [{"name": "pool", "sources": [{"reader": "jsonl", "path": "x"}]}]
    halves = [
        domain(name, **{"from": ["pool"], "where": f"document % 2 = {half}"}, sample_tokens=600)
        for half, name in enumerate(("even", "odd"))
    ]
    fake.assemble(*halves, collection=collection, profile=LEAN)
    for half, (bits,) in enumerate(
        fake.rows("select documents::varchar from members order by domain")
    ):
        places = [place for place, bit in enumerate(bits) if bit == "1"]
        assert {place % 2 for place in places} == {half}
        assert 50 <= len(places) <= 70
