"""Writers of splits: tokens of sources are kept, ids are checked, preferences are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus_fakes import BYTES, exchange, inventory, splits, store_of, texts, write_tokenizer

from mixopt.catalog.documents import Document, Split
from mixopt.corpus.ingest import ingest_inventory
from mixopt.corpus.tokenizer import Tokenizer, load_tokenizer
from mixopt.corpus.writers import encode_documents
from mixopt.errors import CatalogError, NotFoundError

PREFERENCE = Document(
    messages=(("user", "2 + 2"), ("assistant", "4")), rejected=(("assistant", "5"),)
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return load_tokenizer(str(write_tokenizer(tmp_path / "tokenizer.json")))


def _tokenized(text: str, tokenizer: Tokenizer, *, digest: str | None = None) -> Document:
    """Return a document whose tokens are one a character, which no encoder would write."""
    ids = np.concatenate(tokenizer.encode_batch(list(text))).astype(np.uint16)
    return Document(text=text, tokens=ids, tokenizer=digest or tokenizer.digest)


def test_tokens_of_a_source_are_kept_as_they_are(tokenizer: Tokenizer) -> None:
    text = "the question of the answer"
    (kept,) = encode_documents([_tokenized(text, tokenizer)], [text], tokenizer)
    assert len(kept) == len(text) > len(tokenizer.encode(text))
    assert kept.dtype == np.uint32
    assert tokenizer.decode(kept) == text


def test_tokens_of_another_tokenizer_are_made_anew_beside_them(tokenizer: Tokenizer) -> None:
    other = _tokenized("the answer", tokenizer, digest="another")
    mixed = [Document(text="ünïcode"), _tokenized("the question", tokenizer), other]
    found = encode_documents(mixed, [document.text for document in mixed], tokenizer)
    assert found[0].tolist() == tokenizer.encode("ünïcode").tolist()
    assert len(found[1]) == len("the question")
    assert found[2].tolist() == tokenizer.encode("the answer").tolist()


def test_a_token_outside_of_the_vocabulary_is_an_error() -> None:
    document = Document(text="?", tokens=np.array([7, 257], np.uint16), tokenizer=BYTES.digest)
    with pytest.raises(CatalogError, match="has the token 257"):
        encode_documents([document], ["?"], BYTES)


def test_kept_tokens_are_in_the_store(tmp_path: Path, tokenizer: Tokenizer) -> None:
    plain = texts(*(f"the question {n}" for n in range(20)))
    made = [_tokenized(document.text, tokenizer) for document in plain]
    store = store_of({"made": made}, tmp_path / "made", tokenizer=tokenizer)
    held = store.domain("made", "train")
    documents = [document for split, document in splits({"made": made}, "made") if split == "train"]
    assert held.num_tokens == sum(len(document.text) + 1 for document in documents)
    assert held.num_bytes == sum(len(document.text) for document in documents)


def test_preferences_are_left_out(tmp_path: Path) -> None:
    content = {"prose": texts("one", "two", "three"), "pairs": [PREFERENCE]}
    store = store_of(content, tmp_path)
    assert store.names == ("prose",)
    assert store.inventory.names() == ("prose", "pairs")
    with pytest.raises(NotFoundError) as caught:
        store.domain("pairs", "train")
    assert "preferences, which no stage trains on" in str(caught.value)


def test_documents_are_asked_for_once(tmp_path: Path) -> None:
    content = {"prose": texts(*map(str, range(20))), "sums": [exchange("1 + 1", "2")] * 4}
    asked: list[str] = []

    def source(name: str) -> Iterator[tuple[Split, Document]]:
        asked.append(name)
        yield from splits(content, name)

    held = inventory(content)
    held = replace(held, domains=held.domains[::-1])
    ingest_inventory(
        held, source, tmp_path, tokenizer=BYTES, context=31, progress=lambda _name, _count: None
    )
    assert asked == ["sums", "prose"]
