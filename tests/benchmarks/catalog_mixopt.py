"""A contestant of `catalog_throughput.py` and `catalog_memory.py`: mixopt's own build.

    python tests/benchmarks/catalog_mixopt.py CORPUS SCRATCH WORKERS PROFILE

PROFILE is `lean`, which yields documents, bytes, tokens, hashes and labels of all documents and
the rest of a thousandth of them, or `full`, which measures everything of every document.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
from catalog_child import say_counted, say_ready

from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.tokenizer import load_tokenizer

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "lean": {
        "sample": 0.001,
        "near_duplicates": None,
        "contamination": None,
        "kept_documents": 0,
    },
    "full": {},
}

_LABELS = """
select label, value, sum(documents) from label_counts group by label, value
"""
_TOTALS = "select sum(documents), sum(bytes) from domains"


def build(corpus: Path, scratch: Path, workers: int, profile: str) -> dict[str, Any]:
    """Build the catalog of a corpus that `catalog_data.py` has written, and look into it."""
    source = {
        "reader": "jsonl",
        "path": str(corpus),
        "labels": {"language_given": "language", "topic": "topic"},
        "scores": {} if profile == "lean" else {"quality": "quality"},
    }
    recipe = CatalogRecipe.model_validate(
        {
            "name": "throughput",
            "profile": PROFILES[profile],
            "domain": [{"name": "corpus", "provenance": "synthetic", "sources": [source]}],
        }
    )
    path = scratch / "catalog.duckdb"
    counting = Counting(
        counters=(load_tokenizer("bytes"),), render=render_document, load=load_tokenizer
    )
    build_catalog(
        recipe,
        path,
        recipe_file=scratch / "catalog.toml",
        counting=counting,
        workers=workers,
        progress=lambda _, __: None,
    )
    return read_counts(path)


def read_counts(path: Path) -> dict[str, Any]:
    """Return documents, bytes, and documents by label of a catalog."""
    with duckdb.connect(str(path), read_only=True) as connection:
        totals = connection.execute(_TOTALS).fetchone()
        labels = connection.execute(_LABELS).fetchall()
    assert totals
    counted: dict[str, Any] = {"documents": int(totals[0]), "bytes": int(totals[1])}
    for label, value, documents in labels:
        counted.setdefault(label.removesuffix("_given"), {})[value] = int(documents)
    return counted


def main() -> None:
    corpus, scratch, workers, profile = sys.argv[1:]
    say_ready()
    say_counted(build(Path(corpus), Path(scratch), int(workers), profile))


if __name__ == "__main__":
    main()
