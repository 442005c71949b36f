"""Scores of a proxy: attached by identity, wherever scores count, and never a stale or partial one unnoticed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from assembly_fakes import Fake, domain, identity, row
from catalog_fakes import build, load, sentence, write_texts
from catalog_fakes import domain as text_domain

from mixopt.catalog.documents import Document
from mixopt.catalog.inventory import count_unseen, iterate_splits, iterate_taken, read_column_names
from mixopt.catalog.query import run_query
from mixopt.catalog.score_files import read_scores, score_path, write_scores
from mixopt.errors import CatalogError, RecipeError

PROSE = text_domain("prose", 'reader = "text", path = "texts"')
ATTACHED = '[profile]\nproxy_scores = ["hardness"]'
POOL = '[[collection]]\nname = "pool"\nsources = [{ reader = "text", path = "texts" }]'


def cut(where: str) -> str:
    return f'[[domain]]\nname = "hard"\nprovenance = "organic"\nfrom = ["pool"]\nwhere = "{where}"'


def score_texts(folder: Path, numbers: range, *, times: float = 1.0) -> None:
    """Score texts by their numbers, as if a proxy had found them."""
    found = [int(Document(text=sentence(n)).identity[:16], 16) for n in numbers]
    path = score_path(folder / "catalog.duckdb", "hardness")
    write_scores(path, np.array(found, np.uint64), np.array(numbers, np.float64) * times)


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Two domains of 20 documents; those of the first are scored by their number."""
    made = Fake(tmp_path, {"a": [row(n) for n in range(20)], "b": [row(-n - 1) for n in range(20)]})
    _score(made, {n: float(n) for n in range(20)})
    return made


def _score(fake: Fake, values: dict[int, float]) -> None:
    path = fake.folder / "hardness.parquet"
    ids = np.array([identity(n) for n in values], np.uint64)
    write_scores(path, ids, np.array(list(values.values())))
    fake.proxy_scores = {"hardness": path}


def test_summaries_and_kept_documents_have_attached_scores(fake: Fake) -> None:
    fake.assemble(domain("a"), domain("b"))
    summary = "select domain, score, documents, mean, least, most from score_summaries"
    assert fake.rows(summary) == [("a", "hardness", 20, 9.5, 0.0, 19.0)]
    kept = "select identity, scores from documents where domain = 'a'"
    held = {name: scores["hardness"] for name, scores in fake.rows(kept)}
    assert held == {f"{identity(n):016x}": float(n) for n in range(20)}
    assert fake.rows("select distinct scores from documents where domain = 'b'") == [({},)]


def test_the_content_hash_of_scored_domains_alone_changes_with_scores(fake: Fake) -> None:
    hashes = []
    for values in ({}, {0: 1.0}, {0: 1.0 + 2**-52}, {1: 1.0}, {0: 1.0}):
        _score(fake, values)
        fake.assemble(domain("a"), domain("b"))
        hashes.append(fake.rows("select content_hash from domains order by name"))
    fake.proxy_scores = {}
    fake.assemble(domain("a"), domain("b"))
    assert fake.rows("select content_hash from domains order by name") == hashes[0]
    assert len({found[0] for found in hashes}) == 4
    assert hashes[1] == hashes[4]
    assert len({found[1] for found in hashes}) == 1


def test_the_user_is_told_which_documents_have_no_score(fake: Fake) -> None:
    _score(fake, dict.fromkeys(range(17), 1.0))
    fake.assemble(domain("a"), domain("b"))
    (note,) = fake.notes
    assert note.startswith("Documents without the score 'hardness': 3 of 'a', 20 of 'b'.")
    assert "mixopt catalog score hardness" in note
    _score(fake, dict.fromkeys(range(-20, 20), 1.0))
    fake.assemble(domain("a"), domain("b"))
    assert fake.notes == ()


def test_an_attached_score_takes_the_place_of_a_column_that_no_source_gives_now(
    tmp_path: Path,
) -> None:
    fake = Fake(tmp_path, {"a": [row(n, hardness=-1.0) for n in range(5)]})
    _score(fake, dict.fromkeys(range(5), 2.0))
    fake.assemble(domain("a"))
    assert fake.rows("select documents, mean from score_summaries") == [(5, 2.0)]
    fake.proxy_scores = {}
    fake.assemble(domain("a"))
    assert fake.rows("select documents from score_summaries") == []


def test_copies_of_a_document_are_kept_once_and_counted_as_often_as_they_are(
    tmp_path: Path,
) -> None:
    fake = Fake(tmp_path, {"a": [row(n % 4) for n in range(8)]})
    _score(fake, {n: float(n) for n in range(4)})
    fake.assemble(domain("a"))
    assert fake.rows("select documents, mean from score_summaries") == [(8, 1.5)]
    assert fake.rows("select count(*), sum(value) from proxy_scores") == [(4, 6.0)]
    assert fake.rows("select documents from domains") == [(8,)]


def test_documents_are_read_again_with_their_scores(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(30))
    build(tmp_path, PROSE)
    score_texts(tmp_path, range(20))
    summary = build(tmp_path, PROSE, head=ATTACHED)
    assert (summary.measured, summary.reused) == (0, 30)
    found = {
        document.text: document.scores
        for _, document in iterate_splits(summary.path, "prose", load=load)
    }
    scored = {sentence(n): (("hardness", float(n)),) for n in range(20)}
    assert found == scored | {sentence(n): () for n in range(20, 30)}


def test_domains_are_cut_by_attached_scores(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(40))
    score_texts(tmp_path, range(35))
    summary = build(tmp_path, POOL, cut("hardness >= 10"), head=ATTACHED)
    found = list(iterate_splits(summary.path, "hard", load=load))
    assert {document.text for _, document in found} == {sentence(n) for n in range(10, 35)}
    everything = {document.text for _, document in iterate_taken(summary.path, load=load)}
    assert everything == {sentence(n) for n in range(40)}
    assert count_unseen(summary.path) == 15
    assert read_column_names(summary.path).attached == ("hardness",)


def test_scores_lie_in_the_catalog_for_what_proxies_see_alone(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(200))
    score_texts(tmp_path, range(200))
    head = 'provenance = "organic"\nsample_tokens = 500'
    sampled = text_domain("prose", 'reader = "text", path = "texts"', head=head)
    path = build(tmp_path, sampled, head=ATTACHED).path
    seen = {int(d.identity[:16], 16) for _, d in iterate_splits(path, "prose", load=load)}
    held = {
        int(str(found)) for (found,) in run_query(path, "select identity from proxy_scores").rows
    }
    assert held == seen
    assert len(seen) < 100
    assert count_unseen(path) == 200 - len(seen)
    assert run_query(path, "select documents from score_summaries").rows == ((200,),)


def test_a_build_without_the_file_says_how_to_make_it(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(5))
    with pytest.raises(CatalogError, match="there is no") as caught:
        build(tmp_path, PROSE, head=ATTACHED)
    assert caught.value.remedy.startswith("Take 'hardness' out of `proxy_scores`, build")
    path = build(tmp_path, PROSE).path
    with pytest.raises(CatalogError) as caught:
        build(tmp_path, PROSE, head=ATTACHED)
    assert caught.value.remedy == f"Run `mixopt catalog score hardness --catalog {path}`."


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"identity": pa.array([2, 1], pa.uint64()), "value": [1.0, 2.0]}, "sorted"),
        ({"identity": pa.array([1, 1], pa.uint64()), "value": [1.0, 2.0]}, "each once"),
        ({"identity": pa.array([1, 2], pa.uint64()), "value": [1.0, None]}, "missing"),
        ({"identity": pa.array([1, None], pa.uint64()), "value": [1.0, 2.0]}, "missing"),
        ({"identity": pa.array([1], pa.uint64()), "value": [float("nan")]}, "not finite"),
        ({"identity": [1], "value": [1.0]}, "identity uint64"),
    ],
)
def test_damaged_files_of_scores_are_refused(
    tmp_path: Path, columns: dict[str, object], why: str
) -> None:
    path = tmp_path / "hardness.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(CatalogError, match="is no file of scores") as caught:
        list(read_scores(path))
    assert why in caught.value.why
    path.write_bytes(b"PAR1")
    with pytest.raises(CatalogError, match="is no file of scores"):
        list(read_scores(path))


def test_a_name_means_one_score(tmp_path: Path) -> None:
    given = text_domain("a", 'reader = "jsonl", path = "x", scores = { quality = "q" }')
    head = '[profile]\nproxy_scores = ["quality", "hardness", "hardness", "tokens"]'
    with pytest.raises(RecipeError) as caught:
        build(tmp_path, given, head=head)
    found = {fault.key: fault.expected for fault in caught.value.faults}
    assert found["profile.proxy_scores.0"] == "a name that no other score and no label has"
    assert found["profile.proxy_scores.2"] == found["profile.proxy_scores.0"]
    assert found["profile.proxy_scores.3"].startswith("a name other than")
    assert len(found) == 3


def test_without_sources_of_that_name_a_condition_knows_no_score(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="hardness"):
        build(tmp_path, POOL, cut("hardness >= 10"))
