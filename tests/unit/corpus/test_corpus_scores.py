"""Scores: of documents as they are ingested, and of the sequences that hold parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import zstandard
from corpus_fakes import BYTES, Content, exchange, source, store_of

from mixopt import seeds
from mixopt.catalog.documents import SPLITS, Document
from mixopt.corpus import layout
from mixopt.corpus.scores import window_means
from mixopt.corpus.store import DomainTokens, TokenStore
from mixopt.errors import NotFoundError


def _documents(seed: int, *, scored: bool = True) -> list[Document]:
    rng = seeds.generator(seed, "documents")
    return [
        Document(
            text=f"{number} " + "word " * int(rng.integers(1, 40)),
            scores=(("level", float(rng.integers(1, 9))),) if scored else (),
        )
        for number in range(60)
    ]


CONTENT: Content = {
    "prose": _documents(1),
    "plain": [*_documents(2), *_documents(3, scored=False)],
    "sums": [
        Document(messages=exchange(f"{n} + 1", str(n + 1)).messages, scores=(("level", n / 2),))
        for n in range(40)
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return store_of(CONTENT, tmp_path_factory.mktemp("scores"))


def _by_token(name: str, values: dict[str, float]) -> list[float]:
    """Return the score of the document that each token of the stream is of."""
    documents = sorted(source(CONTENT, name, "train"), key=lambda document: document.identity)
    return [values[d.text] for d in documents for _ in range(d.num_bytes + 1)]


def _values(score: str) -> dict[str, float]:
    score_of = {
        "length": lambda d: d.num_bytes + 1,
        "compressibility": lambda d: len(zstandard.compress(d.text.encode(), 1)) / d.num_bytes,
        "level": lambda d: d.scores[0][1],
    }
    return {document.text: score_of[score](document) for document in CONTENT["prose"]}


def _sequences(domain: DomainTokens, values: Sequence[float], context: int) -> list[float]:
    return [
        float(np.mean(values[i * context + 1 : (i + 1) * context + 1]))
        for i in range(domain.num_sequences(context))
    ]


@pytest.mark.parametrize("context", [1, 16, 300])
@pytest.mark.parametrize("score", ["length", "compressibility", "level"])
def test_a_sequence_has_the_mean_score_of_its_targets(
    store: TokenStore, score: str, context: int
) -> None:
    domain = store.domain("prose", "train")
    found = domain.scores(score, context)
    expected = _sequences(domain, _by_token("prose", _values(score)), context)
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("score", ["length", "compressibility", "level"])
def test_a_row_of_whole_documents_has_their_mean_score(store: TokenStore, score: str) -> None:
    domain, values = store.domain("prose", "train"), _values(score)
    ids = np.arange(domain.num_sequences(255, "whole"))
    found = domain.scores(score, 255, "whole")
    for row, answers, value in zip(*_rows(domain, ids), found, strict=True):
        texts = BYTES.decode(np.where(row == 256, 0, row)[answers]).split("\0")[:-1]
        sizes = [len(text) + 1 for text in texts]
        expected = np.average([values[text] for text in texts], weights=sizes)
        assert value == pytest.approx(expected, rel=1e-6)


def _rows(domain: DomainTokens, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    batch = domain.gather(ids, 255, "whole")
    assert batch.answers is not None
    assert batch.segments is None
    return batch.tokens, batch.answers


def test_a_packed_row_has_the_mean_score_of_its_conversations(store: TokenStore) -> None:
    domain = store.domain("sums", "train")
    batch = domain.gather(np.arange(domain.num_sequences(31)), 31)
    assert batch.segments is not None
    levels, lengths = domain.scores("level", 31), domain.scores("length", 31)
    for row, segments, level, length in zip(
        batch.tokens, batch.segments, levels, lengths, strict=True
    ):
        sizes = np.bincount(segments)[1:]
        questions = BYTES.decode(row).split("Q: ")[1:]
        numbers = [int(question.split(" +")[0]) / 2 for question in questions]
        assert level == pytest.approx(np.average(numbers, weights=sizes))
        assert length == pytest.approx(np.average(sizes, weights=sizes))


def test_a_score_that_not_all_documents_have_is_none_of_the_domain(store: TokenStore) -> None:
    assert store.domain("prose", "train").score_names == ("compressibility", "length", "level")
    with pytest.raises(NotFoundError, match="no score 'level'") as caught:
        store.domain("plain", "train").scores("level", 16)
    assert "compressibility, length." in str(caught.value)


def test_a_split_without_documents_has_no_scores(tmp_path: Path) -> None:
    few = {"prose": CONTENT["prose"][:2], "sums": CONTENT["sums"][:2]}
    store = store_of(few, tmp_path)
    for name in few:
        assert store.domain(name, "train").scores("level", 31).shape == (0,)
        assert store.domain(name, "train").num_sequences(31) == 0
    assert store.domain("prose", "train").num_sequences(31, "whole") == 0


def test_sequences_inside_one_document_score_exactly_the_same() -> None:
    offsets = np.array([0, 5, 10_007, 10_020])
    means = window_means(offsets, np.array([3.0, 0.1, 7.0]), 13, 10_019 // 13)
    assert len(set(means[1:-2].tolist())) == 1
    assert means[1] == pytest.approx(0.1)


def test_other_scores_and_another_layout_are_ingested_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_of({"prose": CONTENT["prose"]}, tmp_path)
    unscored = {"prose": [Document(text=each.text) for each in CONTENT["prose"]]}
    second = store_of(unscored, tmp_path)
    assert second.domain("prose", "train").score_names == ("compressibility", "length")
    assert first.content_hash != second.content_hash
    (supply,) = first.inventory.domains
    key = layout.domain_key(supply, BYTES, 31)
    monkeypatch.setattr(layout, "FORMAT", layout.FORMAT - 1)
    assert layout.domain_key(supply, BYTES, 31) != key


def test_documents_and_scores_stay_together_whatever_the_order_of_reading(tmp_path: Path) -> None:
    turned = {"prose": CONTENT["prose"][::-1]}
    one = store_of({"prose": CONTENT["prose"]}, tmp_path / "one")
    other = store_of(turned, tmp_path / "other")
    for split in SPLITS:
        scores = [each.domain("prose", split).scores("level", 8) for each in (one, other)]
        assert np.array_equal(scores[0], scores[1])
