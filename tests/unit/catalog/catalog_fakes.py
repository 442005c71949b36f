"""What the catalog's tests build from: a recipe text, a token counter, and a build in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixopt.catalog.documents import Document
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.catalog.scan import CatalogSummary, build_catalog
from mixopt.recipes.decode import read

WORDS = ("alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ivy", "juniper")


class WordCounter:
    """Counts words; a tokenizer small enough to check by eye."""

    name = "words"
    digest = "words-1"

    def count_batch(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def render(document: Document) -> str:
    return document.text or "\n".join(content for _, content in document.messages)


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
    folder: Path, *domains: str, head: str = "", file: str = "catalog.duckdb"
) -> CatalogSummary:
    """Build a catalog in a folder from the text of its domains."""
    recipe_file = folder / "recipe.toml"
    recipe_file.write_text(f'name = "fake"\n{head}\n' + "\n".join(domains))
    return build_catalog(
        read(recipe_file, CatalogRecipe),
        folder / file,
        recipe_file=recipe_file,
        counter=WordCounter(),
        render=render,
        progress=lambda _domain, _documents: None,
    )
