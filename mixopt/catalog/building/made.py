"""Sources whose documents are made: written as shards beside the catalog, then read like any file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from mixopt import seeds
from mixopt.catalog.building.jobs import ReadingDigests
from mixopt.catalog.building.manifest import find_shards, remember_shards
from mixopt.catalog.building.needed_files import Listing
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
from mixopt.recipes.digest import digest

_VERSION = 1
"""Goes up when other documents are made, though the first of them are as they were."""

_PROBED = 32
_MANIFEST = "made-"

Part = CollectionRecipe | DomainRecipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Measured files that documents are made from.

    Attributes:
        listings: the files of each source, in the order in which they are read.
        content: names what was measured of each.
    """

    listings: tuple[Listing, ...] = ()
    content: tuple[str, ...] = ()


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

    def make(self, domain: Part, number: int, source: MadeSource, inputs: Inputs) -> Listing:
        """Return the shards of a domain's numbered source as files to read.

        They are written unless they were made of the same before.

        Args:
            domain: the domain that has the source.
            number: of the source in the domain, from 0.
            source: what is made.
            inputs: what garbled sources read from.

        Raises:
            OSError: a shard cannot be written.
        """
        seed = seeds.derive(self.recipe.seed, "catalog", domain.name, number)
        folder = self.folder / domain.name
        manifest = folder / f"{_MANIFEST}{number}"
        made_of = self._made_of(domain, source, seed, inputs)
        paths = find_shards(manifest, made_of)
        if paths is None:
            paths = write_shards(self._documents(domain, source, seed, inputs), folder, number)
            remember_shards(manifest, made_of, paths)
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
        for manifest in self.folder.glob(f"*/{_MANIFEST}*"):
            if not any(manifest.parent.glob("part-*")):
                manifest.unlink()

    def _made_of(self, domain: Part, source: MadeSource, seed: int, inputs: Inputs) -> str:
        """Name all that decides what is made; the first documents speak for the code."""
        listed = [each.collection for each in inputs.listings]
        probed = islice(self._documents(domain, source, seed, inputs), _PROBED)
        return digest(
            {
                "version": _VERSION,
                "schema": domain.document_schema,
                "source": source,
                "seed": seed,
                "split": self.recipe.split,
                "inputs": list(zip(listed, inputs.content, strict=True)),
                "first": [document.fingerprint for document in probed],
            }
        )

    def _documents(
        self, domain: Part, source: MadeSource, seed: int, inputs: Inputs
    ) -> Iterator[Document]:
        if isinstance(source, GarbledSource):
            read = inputs.listings
            return garbled_documents(source, seed, lambda name: self._training_text(name, read))
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
