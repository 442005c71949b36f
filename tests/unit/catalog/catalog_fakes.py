"""What the catalog's tests build from: a recipe text, a token counter, and a build in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.building.build import CatalogSummary, build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.documents import Document
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.recipes.decode import read

WORDS = ("alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ivy", "juniper")


class WordCounter:
    """Counts words; a tokenizer small enough to check by eye."""

    name = "words"
    digest = "words-1"
    size = 2**32
    end_of_text = 0

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def decode(self, ids: NDArray[np.integer]) -> str:
        return " ".join(WORDS[int(number) - 1] for number in ids)


def render(document: Document) -> str:
    return document.text or "\n".join(content for _, content in document.messages)


def load(_name: str) -> WordCounter:
    return WordCounter()


def counting() -> Counting:
    return Counting(counters=(WordCounter(),), render=render, load=load)


def sentence(number: int) -> str:
    """A text of ten words that no other number has."""
    return " ".join(WORDS[(number // 10**place) % 10] for place in range(10))


def write_texts(folder: Path, numbers: Sequence[int], *, prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{prefix}{number:04d}.txt").write_text(sentence(number))
    return folder


def domain(name: str, *sources: str, head: str = 'provenance = "organic"') -> str:
    listed = ",\n".join(f"  {{ {source} }}" for source in sources)
    return f'[[domain]]\nname = "{name}"\n{head}\nsources = [\n{listed}\n]\n'


def build(
    folder: Path,
    *domains: str,
    head: str = "",
    file: str = "catalog.duckdb",
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CatalogSummary:
    """Build a catalog in a folder from the text of its domains."""
    recipe_file = folder / "recipe.toml"
    recipe_file.write_text(f'name = "fake"\n{head}\n' + "\n".join(domains))
    return build_catalog(
        read(recipe_file, CatalogRecipe),
        folder / file,
        recipe_file=recipe_file,
        counting=counting(),
        workers=workers,
        progress=progress,
    )
