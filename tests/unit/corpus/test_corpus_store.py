"""The store: sequences by number, misuse in numbers, pickling, and damage named at opening."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from corpus_fakes import BYTES, exchange, inventory, store_of, texts

from mixopt.catalog.documents import Split
from mixopt.corpus.layout import RECORD
from mixopt.corpus.store import TokenStore
from mixopt.errors import CatalogError, NotFoundError

CONTENT = {
    "prose": texts(*(f"document number {n}, " + "word " * n for n in range(40))),
    "sums": [exchange(f"{n} + 1", str(n + 1)) for n in range(30)],
}


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return store_of(CONTENT, tmp_path / "corpus")


def _stream(store: TokenStore) -> list[int]:
    (path,) = store.folder.glob(f"{store._keys['prose']}/train.tokens.bin")
    return list(np.fromfile(path, "<u2"))


@pytest.mark.parametrize("context", [1, 7, 64, 1000])
def test_a_sequence_of_text_is_a_slice_of_the_stream(store: TokenStore, context: int) -> None:
    domain, stream = store.domain("prose", "train"), _stream(store)
    count = domain.num_sequences(context)
    ids = np.arange(count)[::-1]
    batch = domain.gather(ids, context)
    expected = [stream[i * context : i * context + context + 1] for i in ids]
    assert batch.tokens.dtype == np.int64
    assert batch.tokens.tolist() == expected
    assert count * context + 1 <= len(stream) <= (count + 1) * context
    assert batch.answers is None
    assert batch.segments is None


def test_packed_rows_are_read_as_written(store: TokenStore) -> None:
    domain = store.domain("sums", "train")
    ids = np.array([domain.num_sequences(31) - 1, 0, 0])
    batch = domain.gather(ids, 31)
    assert batch.answers is not None
    assert batch.segments is not None
    assert batch.tokens.shape == batch.answers.shape == batch.segments.shape == (3, 32)
    kinds = [batch.tokens.dtype, batch.answers.dtype, batch.segments.dtype]
    assert kinds == [np.int64, np.bool_, np.int32]
    assert np.array_equal(batch.tokens[1], batch.tokens[2])
    answered = BYTES.decode(batch.tokens[1][batch.answers[1]])
    assert answered.split() == [
        line[3:] for line in BYTES.decode(batch.tokens[1]).split("\n")[1::2]
    ]


@pytest.mark.parametrize("name", ["prose", "sums"])
def test_no_ids_give_no_rows(store: TokenStore, name: str) -> None:
    batch = store.domain(name, "train").gather(np.empty(0, np.int64), 31)
    assert batch.tokens.shape == (0, 32)


@pytest.mark.parametrize(
    ("ids", "context", "message"),
    [
        ([-1], 31, r"-1\.\.-1 are outside"),
        ([0, 10**6], 31, r"0\.\.1000000 are outside the \d+ sequences of domain 'sums' \(train\)"),
        ([0], 16, "packed for 31.*context 16"),
        ([0], 0, "context 0"),
        ([[0]], 31, r"integers \[B\], got int64 \[1, 1\]"),
    ],
)
def test_misuse_is_a_value_error(
    store: TokenStore, ids: list[int], context: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        store.domain("sums", "train").gather(np.array(ids), context)


def test_conversations_are_whole_anyway(store: TokenStore) -> None:
    for read in ("num_sequences", "scores", "gather"):
        arguments = {"scores": ("length",), "gather": (np.array([0]),)}.get(read, ())
        with pytest.raises(ValueError, match=r"packed for 31.*packing 'whole'"):
            getattr(store.domain("sums", "train"), read)(*arguments, 31, "whole")


def test_whole_documents_come_back_and_keep_their_rows(store: TokenStore) -> None:
    domain = store.domain("prose", "train")
    ids = np.arange(domain.num_sequences(255, "whole"))[::-1]
    batch = domain.gather(ids, 255, "whole")
    assert batch.answers is not None
    assert batch.tokens.dtype == np.int64
    texts = "".join(BYTES.decode(np.where(row == 256, 0, row)) for row in batch.tokens).split("\0")
    expected = [BYTES.decode(part) for part in np.split(_stream(store), _ends(store))[:-1]]
    assert sorted(filter(None, texts)) == sorted(expected)
    assert batch.answers.sum() == domain.num_tokens
    again = pickle.loads(pickle.dumps(store)).domain("prose", "train").gather(ids, 255, "whole")
    assert np.array_equal(again.tokens, batch.tokens)
    (kept,) = store.folder.glob("*/train.whole-255.npz")
    assert kept.parent.name == store._keys["prose"]


def _ends(store: TokenStore) -> np.ndarray:
    return np.flatnonzero(np.array(_stream(store)) == 256) + 1


def test_ids_must_be_integers(store: TokenStore) -> None:
    floats: np.ndarray = np.zeros(2)
    with pytest.raises(ValueError, match="got float64"):
        store.domain("prose", "train").gather(floats, 31)


def test_reading_does_not_write(store: TokenStore) -> None:
    domain = store.domain("prose", "train")
    before = _stream(store)
    domain.gather(np.array([0]), 31).tokens[:] = 0
    assert _stream(store) == before
    with pytest.raises(ValueError, match="read-only"):
        domain._windows(31)[0, 0] = 1


def test_unknown_names_are_errors(store: TokenStore) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'prose'") as caught:
        store.domain("porse", "train")
    assert "no domain 'porse'" in str(caught.value)
    with pytest.raises(NotFoundError, match="no split 'valid'"):
        store.domain("prose", cast("Split", "valid"))


def test_a_pickled_store_carries_no_tokens(store: TokenStore) -> None:
    ids = np.arange(3)
    expected = [store.domain(name, "train").gather(ids, 31) for name in CONTENT]
    content = pickle.dumps(store)
    copy = pickle.loads(content)
    found = [copy.domain(name, "train").gather(ids, 31) for name in CONTENT]
    assert len(content) < 10_000
    assert copy.content_hash == store.content_hash
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one.tokens, other.tokens)


def test_the_content_hash_follows_domains_and_rows(store: TokenStore, tmp_path: Path) -> None:
    assert store_of(CONTENT, tmp_path / "elsewhere").content_hash == store.content_hash
    longer = store_of(CONTENT, tmp_path / "longer", context=63)
    fewer = store_of({"prose": CONTENT["prose"]}, tmp_path / "fewer")
    renamed = store_of({"verse": CONTENT["prose"]}, tmp_path / "renamed")
    hashes = {s.content_hash for s in (store, longer, fewer, renamed)}
    assert len(hashes) == 4


@pytest.mark.parametrize("name", [RECORD, "train.tokens.bin", "test.answers.bin"])
@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_damage_is_named_at_opening(store: TokenStore, name: str, harm: str) -> None:
    path = store.folder / store._keys["sums"] / name
    content = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(content[:-2])
    with pytest.raises(CatalogError, match="mixopt corpus build") as caught:
        TokenStore(store.folder, inventory(CONTENT), tokenizer=BYTES, context=31)
    assert str(path) in str(caught.value)
    assert "'sums'" in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("format", 99), ("key", "0" * 16)])
def test_a_record_that_describes_something_else_is_damage(
    store: TokenStore, field: str, value: object
) -> None:
    path = store.folder / store._keys["sums"] / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(CatalogError, match=f"describes .*{field} {value}"):
        TokenStore(store.folder, inventory(CONTENT), tokenizer=BYTES, context=31)


def test_a_record_of_another_folder_is_damage(store: TokenStore) -> None:
    sums, prose = (store.folder / store._keys[name] for name in ("sums", "prose"))
    (prose / RECORD).write_bytes((sums / RECORD).read_bytes())
    with pytest.raises(CatalogError, match="'prose' is damaged"):
        TokenStore(store.folder, inventory(CONTENT), tokenizer=BYTES, context=31)
