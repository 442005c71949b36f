"""The texts that a catalog's documents are compared with: a recipe's own, and held-out problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mixopt.catalog.building.reading import first_bytes
from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.listing import list_files
from mixopt.catalog.measuring.protected import TASKS, ProtectedGrams, protect, tasks_texts
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import CatalogRecipe, ProtectedRecipe

Load = Callable[[str], TokenCounter]


def protected_grams(recipe: CatalogRecipe, recipe_file: Path, load: Load) -> ProtectedGrams:
    """Return what finds the protected texts of a recipe, and the task problems, in documents.

    Raises:
        CatalogError: a protected set has no files, or they cannot be reached.
    """
    words = recipe.profile.contamination
    if words is None:
        return protect({}, 1)
    texts: dict[str, Iterable[str]] = {
        each.name: _texts(each, recipe_file, load) for each in recipe.protected
    }
    return protect({TASKS: tasks_texts(), **texts}, words)


def _texts(recipe: ProtectedRecipe, recipe_file: Path, load: Load) -> Iterator[str]:
    for document in _documents(recipe, recipe_file, load):
        yield from document.contents


def _documents(recipe: ProtectedRecipe, recipe_file: Path, load: Load) -> Iterator[Document]:
    for source in recipe.sources:
        files = list_files(source, domain=recipe.name, recipe_file=recipe_file)
        documents = (
            document
            for file in files
            for document in read_documents(
                file, source, recipe.document_schema, Intake(), load=load
            )
        )
        yield from first_bytes(documents, source.limit_bytes)
