"""The texts that a catalog's documents are compared with: a recipe's own, and held-out problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mixopt.catalog.building.reading import first_bytes
from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.listing import list_files
from mixopt.catalog.measuring.protected import TASKS, ProtectedGrams, protect, tasks_texts
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import CatalogRecipe, ProtectedRecipe
from mixopt.catalog.sources import FileSource
from mixopt.errors import CatalogError

Load = Callable[[str], TokenCounter]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protection:
    """What finds protected texts, and what of them it cannot find.

    Attributes:
        grams: what finds them.
        notes: what the user should be told: texts that are broken, or too short to be found.
    """

    grams: ProtectedGrams
    notes: tuple[str, ...]


def read_protected(recipe: CatalogRecipe, recipe_file: Path, load: Load) -> Protection:
    """Return what finds the protected texts of a recipe, and the task problems, in documents.

    Raises:
        CatalogError: a protected set has no files or no text, or its files cannot be reached.
    """
    words = recipe.profile.contamination
    if words is None:
        return Protection(grams=protect({}, 1), notes=())
    sets = [_Set(recipe=each, recipe_file=recipe_file, load=load) for each in recipe.protected]
    grams = protect({TASKS: tasks_texts(), **{one.recipe.name: one.texts() for one in sets}}, words)
    left_out = dict(zip(grams.names, grams.left_out, strict=True))
    notes = [note for one in sets for note in one.notes(left_out[one.recipe.name])]
    return Protection(grams=grams, notes=tuple(notes))


@dataclass(kw_only=True, slots=True)
class _Set:
    """One protected set while it is read, and what was broken in it."""

    recipe: ProtectedRecipe
    recipe_file: Path
    load: Load
    quarantined: int = 0
    first: str = ""
    documents: int = 0

    def texts(self) -> Iterator[str]:
        for source in self.recipe.sources:
            for document in first_bytes(self._documents(source), source.limit_bytes):
                self.documents += 1
                yield from document.contents
        if not self.documents:
            what = f"{self.recipe_file}: the protected set '{self.recipe.name}' has no text"
            why = f"Broken pieces: {self.quarantined:,}. {self.first}".rstrip()
            raise CatalogError(what, why=why, remedy="Mend its files or its sources.")

    def notes(self, left_out: int) -> Iterator[str]:
        name = self.recipe.name
        if self.quarantined:
            broken = f"broken pieces, which are not looked for: {self.quarantined:,}"
            yield f"Protected set '{name}': {broken}. {self.first}"
        if left_out:
            yield f"Protected set '{name}': texts too short to be looked for: {left_out:,}."

    def _documents(self, source: FileSource) -> Iterator[Document]:
        schema = self.recipe.document_schema
        for file in list_files(source, domain=self.recipe.name, recipe_file=self.recipe_file):
            intake = Intake()
            try:
                yield from read_documents(file, source, schema, intake, load=self.load)
            finally:
                self._count(file.location, intake)

    def _count(self, location: str, intake: Intake) -> None:
        self.quarantined += intake.quarantined
        if intake.entries and not self.first:
            entry = intake.entries[0]
            self.first = f"The first: {location}, {entry.unit} {entry.offset}: {entry.reason}."
