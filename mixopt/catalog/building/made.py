"""Sources whose documents are made: written as shards beside the catalog, then read like any file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mixopt import seeds
from mixopt.catalog.building.jobs import ReadingDigests
from mixopt.catalog.building.listing import Listing
from mixopt.catalog.building.reading import first_bytes
from mixopt.catalog.counting import Counting
from mixopt.catalog.documents import Document, split_of
from mixopt.catalog.garble import garbled_documents
from mixopt.catalog.generate import DIFFICULTY, task_documents, write_shards
from mixopt.catalog.locations import file_at
from mixopt.catalog.made_sources import GarbledSource, TasksSource
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import CatalogRecipe, CollectionRecipe, DomainRecipe
from mixopt.catalog.sources import JsonlSource, MadeSource

DocumentsOf = Callable[[str], Iterator[Document]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """How sources are made into shards.

    Attributes:
        recipe: the catalog's, for seed and splits.
        counting: writes conversations as text.
        folder: where the shards go, in a folder for every domain.
    """

    recipe: CatalogRecipe
    counting: Counting
    folder: Path

    def make(
        self,
        domain: CollectionRecipe | DomainRecipe,
        number: int,
        source: MadeSource,
        listings: Iterable[Listing],
    ) -> Listing:
        """Write the shards of a domain's numbered source and return them as files to read.

        Args:
            domain: the domain that has the source.
            number: of the source in the domain, from 0.
            source: what is made.
            listings: measured files, which garbled sources read from.

        Raises:
            OSError: a shard cannot be written.
        """
        seed = seeds.derive(self.recipe.seed, "catalog", domain.name, number)
        documents = self._documents(domain, source, seed, tuple(listings))
        paths = write_shards(documents, self.folder / domain.name, number)
        read_as = made_source(source, self.folder)
        return Listing(
            domain.name,
            domain.document_schema,
            read_as,
            [file_at(str(path.resolve())) for path in paths],
            ReadingDigests(read_as, domain.document_schema, self.counting.load),
        )

    def remove_unused(self, used: Iterable[Listing]) -> None:
        """Remove shards that only the replaced catalog used."""
        folder = str(self.folder.resolve())
        kept = {
            wanted.file.location
            for each in used
            for wanted in each.wanted
            if wanted.file.location.startswith(folder)
        }
        for path in self.folder.glob("*/part-*"):
            if str(path.resolve()) not in kept:
                path.unlink()

    def _documents(
        self,
        domain: CollectionRecipe | DomainRecipe,
        source: MadeSource,
        seed: int,
        listings: tuple[Listing, ...],
    ) -> Iterator[Document]:
        if isinstance(source, GarbledSource):
            return garbled_documents(source, seed, lambda name: self._training_text(name, listings))
        if domain.document_schema == "text":
            return task_documents(source, seed, self._written_out)
        return task_documents(source, seed)

    def _written_out(self, document: Document) -> Document:
        """Return a conversation as the text it is trained on; a text stays as it is."""
        return Document(text=self.counting.render(document), scores=document.scores)

    def _training_text(self, domain: str, listings: tuple[Listing, ...]) -> Iterator[Document]:
        """Yield a domain's training documents; held-out text stays unseen, even in pieces."""
        mine = (listing for listing in listings if listing.collection == domain)
        for document in chain.from_iterable(map(self._read, mine)):
            if split_of(document.identity, self.recipe.split) == "train":
                yield document

    def _read(self, listing: Listing) -> Iterator[Document]:
        load = self.counting.load
        for wanted, part in zip(listing.wanted, listing.parts, strict=True):
            found = read_documents(wanted.file, listing.source, listing.schema, Intake(), load=load)
            yield from first_bytes(found, part)


def made_source(source: MadeSource, folder: Path) -> JsonlSource:
    """Return how the shards of a source are read."""
    scores = {DIFFICULTY: DIFFICULTY} if isinstance(source, TasksSource) else {}
    return JsonlSource(reader="jsonl", path=str(folder), scores=scores)
