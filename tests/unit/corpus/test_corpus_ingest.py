"""Ingestion: tokens that give the documents back, counts, order, reuse, repair, and crashes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from corpus_fakes import (
    BYTES,
    Content,
    exchange,
    inventory,
    source,
    splits,
    store_of,
    texts,
    write_tokenizer,
)

from mixopt.catalog.documents import SPLITS, Document, Split
from mixopt.corpus import ingest as ingest_module
from mixopt.corpus.conversations import render_document
from mixopt.corpus.ingest import ingest, ingest_inventory, open_store
from mixopt.corpus.layout import RECORD
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer, Tokenizer, load_tokenizer
from mixopt.errors import CatalogError

PROSE = texts(*(f"document {n} ünï " + "word " * (n % 7) for n in range(50)))
SUMS = [exchange(f"{n} + 1", str(n + 1)) for n in range(40)]
CONTENT: Content = {"prose": PROSE, "sums": SUMS}


def _files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _tokens(store: TokenStore, name: str, split: str, kind: str = "<u2") -> np.ndarray:
    return np.fromfile(store.folder / store._keys[name] / f"{split}.tokens.bin", kind)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_text_comes_back_in_identity_order(tmp_path: Path, split: Split, kind: str) -> None:
    is_bytes = kind == "bytes"
    tokenizer = BYTES if is_bytes else load_tokenizer(str(write_tokenizer(tmp_path / "t.json")))
    store = store_of(CONTENT, tmp_path / "corpus", tokenizer=tokenizer)
    ids = _tokens(store, "prose", split)
    ends = np.flatnonzero(ids == tokenizer.end_of_text)
    found = [tokenizer.decode(part) for part in np.split(ids, ends + 1)[:-1]]
    documents = sorted(source(CONTENT, "prose", split), key=lambda document: document.identity)
    assert found == [document.text for document in documents]
    assert ends[-1] == len(ids) - 1


def test_conversations_come_back(tmp_path: Path) -> None:
    store = store_of(CONTENT, tmp_path)
    rows = store.domain("sums", "train")
    batch = rows.gather(np.arange(rows.num_sequences(31)), 31)
    assert batch.segments is not None
    found = []
    for tokens, segments in zip(batch.tokens, batch.segments, strict=True):
        found += [BYTES.decode(tokens[segments == s]) for s in range(1, segments.max() + 1)]
    assert sorted(found) == sorted(render_document(d) for d in source(CONTENT, "sums", "train"))


def test_counts(tmp_path: Path) -> None:
    too_long = [exchange("x" * 40, "y"), Document(messages=(("user", "unanswered"),))]
    store = store_of({"prose": PROSE, "sums": [*SUMS, *too_long]}, tmp_path)
    prose = store.domain("prose", "train")
    held = list(source(CONTENT, "prose", "train"))
    assert prose.documents == len(held)
    assert prose.num_bytes == sum(document.num_bytes for document in held)
    assert prose.num_tokens == prose.num_bytes + len(held)
    parts = [store.domain("sums", split) for split in SPLITS]
    assert sum(part.dropped for part in parts) == 2
    assert sum(part.documents for part in parts) == len(SUMS)
    assert sum(part.num_bytes for part in parts) == sum(
        len(render_document(document).encode()) for document in SUMS
    )


def test_an_example_of_exactly_one_row_is_kept(tmp_path: Path) -> None:
    length = len(render_document(exchange("", "")))
    fits, too_long = exchange("", "y" * (32 - length - 1)), exchange("", "y" * (32 - length))
    content = {"edge": [fits, too_long]}
    store = store_of(content, tmp_path, context=31)
    parts = [store.domain("edge", split) for split in SPLITS]
    assert [sum(p.documents for p in parts), sum(p.dropped for p in parts)] == [1, 1]
    assert sum(p.num_tokens for p in parts) == 32


def test_the_order_of_reading_does_not_matter(tmp_path: Path) -> None:
    copies = {"prose": PROSE + PROSE[5:9] * 2, "sums": SUMS + SUMS[5:9] * 2}
    turned = {name: documents[::-1] for name, documents in copies.items()}
    store_of(copies, tmp_path / "one")
    store_of(turned, tmp_path / "other")
    assert _files(tmp_path / "one") == _files(tmp_path / "other")


def test_copies_do_not_stand_side_by_side(tmp_path: Path) -> None:
    content = {"junk": PROSE + PROSE[20:21] * 9}
    ids = _tokens(store_of(content, tmp_path), "junk", "train")
    read = BYTES.decode(np.where(ids == BYTES.end_of_text, 0, ids)).split("\0")
    places = [place for place, text in enumerate(read) if text == PROSE[20].text]
    assert len(places) == 10
    assert np.diff(places).max() > 1


def test_batches_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_of(CONTENT, tmp_path / "large")
    monkeypatch.setattr(ingest_module, "_BATCH_BYTES", 50)
    store_of(CONTENT, tmp_path / "small")
    assert _files(tmp_path / "large") == _files(tmp_path / "small")


def test_large_vocabularies_are_stored_in_four_bytes(tmp_path: Path) -> None:
    class Shifted(ByteTokenizer):
        digest, size, end_of_text = "shifted", 100_000, 99_999

    ids = _tokens(store_of(CONTENT, tmp_path, tokenizer=Shifted()), "prose", "train", "<u4")
    assert (ids == 99_999).sum() == len(list(source(CONTENT, "prose", "train")))
    assert (ids[ids != 99_999] < 256).all()


def test_empty_splits_hold_nothing(tmp_path: Path) -> None:
    store = store_of({"prose": PROSE[:2], "sums": SUMS[:2]}, tmp_path)
    for name in ("prose", "sums"):
        domain = store.domain(name, "train")
        assert domain.num_tokens == domain.num_sequences(31) == 0
        assert domain.gather(np.empty(0, np.int64), 31).tokens.shape == (0, 32)


def test_what_is_stored_is_not_read_again(tmp_path: Path) -> None:
    store_of(CONTENT, tmp_path)
    done: list[tuple[str, int]] = []

    def refuse(name: str) -> list[tuple[Split, Document]]:
        pytest.fail(f"'{name}' was read again")

    ingest_inventory(
        inventory(CONTENT),
        refuse,
        tmp_path,
        tokenizer=BYTES,
        context=31,
        progress=lambda name, count: done.append((name, count)),
    )
    assert done == [("prose", 50), ("sums", 40)]


def test_progress_counts_every_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "_BATCH_BYTES", 300)
    done = dict.fromkeys(CONTENT, 0)

    def progress(name: str, count: int) -> None:
        done[name] += count

    ingest_inventory(
        inventory(CONTENT),
        lambda name: splits(CONTENT, name),
        tmp_path,
        tokenizer=BYTES,
        context=31,
        progress=progress,
    )
    assert done == {"prose": 50, "sums": 40}


def test_tokenizers_share_a_folder(tmp_path: Path) -> None:
    file_tokenizer = load_tokenizer(str(write_tokenizer(tmp_path / "t.json")))
    one = store_of(CONTENT, tmp_path / "corpus")
    other = store_of(CONTENT, tmp_path / "corpus", tokenizer=file_tokenizer)
    assert not set(one._keys.values()) & set(other._keys.values())
    assert one.content_hash != other.content_hash
    assert one.domain("prose", "train").num_tokens > other.domain("prose", "train").num_tokens


def test_another_context_rewrites_conversations_only(tmp_path: Path) -> None:
    first = store_of(CONTENT, tmp_path, context=31)
    second = store_of(CONTENT, tmp_path, context=63)
    assert first._keys["prose"] == second._keys["prose"]
    assert first._keys["sums"] != second._keys["sums"]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", [RECORD, "train.segments.bin"])
def test_damage_is_repaired(tmp_path: Path, name: str) -> None:
    store = store_of(CONTENT, tmp_path)
    whole = _files(tmp_path)
    (tmp_path / store._keys["sums"] / name).write_bytes(b"{")
    store_of(CONTENT, tmp_path)
    assert _files(tmp_path) == whole


@pytest.mark.parametrize("after", [0, 30])
def test_an_unreadable_document_leaves_nothing(tmp_path: Path, after: int) -> None:
    def failing(name: str) -> Iterator[tuple[Split, Document]]:
        yield from splits(CONTENT, name)[:after]
        if name == "sums":
            message = "a shard is missing"
            raise CatalogError(message)

    with pytest.raises(CatalogError, match="a shard is missing"):
        ingest_inventory(
            inventory(CONTENT),
            failing,
            tmp_path,
            tokenizer=BYTES,
            context=31,
            progress=lambda _name, _count: None,
        )
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(CatalogError, match="'sums' is not in the corpus"):
        TokenStore(tmp_path, inventory(CONTENT), tokenizer=BYTES, context=31)


@pytest.mark.parametrize("survived_writes", [0, 1, 7, 15, 16, 18, 25])
def test_a_killed_process_leaves_nothing_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived_writes: int
) -> None:
    """Nobody cleans up after a kill; running the same call again mends everything."""
    content = {"sums": SUMS, "prose": PROSE}
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _killing_after(survived_writes))
        patched.setattr(shutil, "rmtree", lambda *_args, **_options: None)
        with pytest.raises(KeyboardInterrupt):
            store_of(content, tmp_path)
    assert list(tmp_path.glob(".*"))
    with pytest.raises(CatalogError, match="is not in the corpus"):
        TokenStore(tmp_path, inventory(content), tokenizer=BYTES, context=31)
    mended, clean = store_of(content, tmp_path), store_of(content, tmp_path / "clean")
    for key in mended._keys.values():
        assert _files(mended.folder / key) == _files(clean.folder / key)


def test_a_full_disk_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogError, match="No space left on device"):
        store_of(CONTENT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_be_first(tmp_path: Path) -> None:
    """A second writer that finds a whole domain at its place leaves it there."""
    content = {"prose": PROSE}
    places: list[int] = []
    first = store_of(content, tmp_path / "first")

    def late(name: str) -> Iterator[tuple[Split, Document]]:
        yield from splits(content, name)
        winner = store_of(content, tmp_path / "shared")
        places.append((tmp_path / "shared" / winner._keys["prose"]).stat().st_ino)

    ingest_inventory(
        inventory(content),
        late,
        tmp_path / "shared",
        tokenizer=BYTES,
        context=31,
        progress=lambda _name, _count: None,
    )
    assert _files(tmp_path / "shared") == _files(first.folder)
    assert [path.stat().st_ino for path in (tmp_path / "shared").iterdir()] == places


def test_from_a_catalog_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def documents(
        _path: Path, name: str, *, load: Callable[[str], Tokenizer]
    ) -> list[tuple[Split, Document]]:
        assert load("bytes").digest == BYTES.digest
        return splits(CONTENT, name)

    monkeypatch.setattr(ingest_module, "read_inventory", lambda _path: inventory(CONTENT))
    monkeypatch.setattr(ingest_module, "iterate_splits", documents)
    catalog, folder = tmp_path / "catalog.duckdb", tmp_path / "corpus"
    built = ingest(catalog, folder, tokenizer=BYTES, context=31, progress=lambda _n, _c: None)
    opened = open_store(folder, catalog, BYTES, 31)
    assert opened.content_hash == built.content_hash
    record = json.loads((folder / opened._keys["sums"] / RECORD).read_text())
    assert (record["tokenizer"], record["context"], record["domain"]) == ("bytes", 31, "sums")


def _killing_after(survived_writes: int) -> Callable[[int], None]:
    left = [survived_writes]

    def sync(_descriptor: int) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1

    return sync
