"""Tokens of the store, of the catalog and of an independent count are the same, to the token."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from corpus_fakes import write_tokenizer

from mixopt import seeds
from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.documents import SPLITS
from mixopt.catalog.inventory import open_catalog
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.ingest import ingest
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import load_tokenizer

NAMES = ("prose", "arrays", "pairs")


def _texts(name: str) -> list[str]:
    rng = seeds.generator(0, "counts", name)
    words = ["the", "question", "of 12 + 7", "ünïcode ☃", "<|endoftext|>", "answer\n\n", "  ", "A:"]
    return [" ".join(rng.choice(words, 1 + int(rng.integers(40)))) + "." for _ in range(120)]


def _independent(path: Path, texts: list[str]) -> list[list[int]]:
    """Return ids by the library alone; the spelling of a special token is ordinary text."""
    backend = tokenizers.Tokenizer.from_file(str(path))
    backend.encode_special_tokens = True
    return [backend.encode(text, add_special_tokens=False).ids for text in texts]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TokenStore]:
    """A catalog of texts, of token ids one a character, and of preferences, with its store."""
    folder = tmp_path_factory.mktemp("counts")
    path = write_tokenizer(folder / "tokenizer.json")
    texts = _texts("prose")
    (folder / "prose.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    end = load_tokenizer(str(path)).end_of_text
    single = [
        [i for ids in _independent(path, list(t)) for i in ids] + [end] for t in _texts("arrays")
    ]
    np.save(folder / "ids.npy", np.concatenate(single).astype(np.uint16))
    pairs = [{"prompt": t, "chosen": "yes", "rejected": "no"} for t in texts[:30]]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    domains: list[dict[str, object]] = [
        {"name": "prose", "sources": [{"reader": "jsonl", "path": "prose.jsonl"}]},
        {
            "name": "arrays",
            "sources": [{"reader": "tokens", "path": "ids.npy", "tokenizer": str(path)}],
        },
        {
            "name": "pairs",
            "schema": "preference",
            "sources": [{"reader": "jsonl", "path": "pairs.jsonl"}],
        },
    ]
    recipe = {
        "name": "counts",
        "tokenizer": str(path),
        "split": {"validation": 0.1, "test": 0.1},
        "domain": [{"provenance": "organic", **domain} for domain in domains],
    }
    tokenizer = load_tokenizer(str(path))
    catalog = folder / "catalog.duckdb"
    build_catalog(
        CatalogRecipe.model_validate(recipe),
        catalog,
        recipe_file=folder / "recipe.toml",
        counting=Counting(counters=(tokenizer,), render=render_document, load=load_tokenizer),
        workers=1,
        progress=lambda _done, _total: None,
    )
    store = ingest(
        catalog, folder / "corpus", tokenizer=tokenizer, context=32, progress=lambda _n, _c: None
    )
    return catalog, store


def _of_catalog(catalog: Path, domain: str) -> dict[str, int]:
    with open_catalog(catalog, "read") as database:
        return {row["split"]: row["tokens"] for row in database.fetch("show_splits", domain=domain)}


@pytest.mark.parametrize("domain", ["prose", "arrays"])
def test_the_store_holds_what_the_catalog_counts(
    built: tuple[Path, TokenStore], domain: str
) -> None:
    catalog, store = built
    counted = _of_catalog(catalog, domain)
    assert {split: store.domain(domain, split).num_tokens for split in SPLITS} == counted


def test_both_are_what_the_library_counts_by_itself(built: tuple[Path, TokenStore]) -> None:
    catalog, _ = built
    path, texts, others = catalog.with_name("tokenizer.json"), _texts("prose"), _texts("arrays")
    whole = sum(len(ids) + 1 for ids in _independent(path, texts))
    single = sum(len(ids) for text in others for ids in _independent(path, list(text)))
    found = {name: sum(_of_catalog(catalog, name).values()) for name in NAMES}
    assert (found["prose"], found["arrays"]) == (whole, single + len(others))
    written = [f"Q: {text}\nA: yes\nA: no\n" for text in texts[:30]]
    assert found["pairs"] == sum(len(ids) + 1 for ids in _independent(path, written))


def test_the_store_holds_the_very_tokens_of_a_source(built: tuple[Path, TokenStore]) -> None:
    catalog, store = built
    kept = np.load(catalog.with_name("ids.npy"))
    parts = [
        np.fromfile(store.folder / store._keys["arrays"] / f"{split}.tokens.bin", "<u2")
        for split in SPLITS
    ]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.sort(kept))


def test_preferences_are_in_the_catalog_alone(built: tuple[Path, TokenStore]) -> None:
    catalog, store = built
    assert store.inventory.names("preference") == ("pairs",)
    assert sum(_of_catalog(catalog, "pairs").values()) > 0
    assert store.names == ("prose", "arrays")
