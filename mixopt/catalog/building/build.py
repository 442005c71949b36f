"""Building a catalog: files listed, measured where they are new, and assembled into one new file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mixopt.catalog.building.assemble import assemble
from mixopt.catalog.building.assembly import (
    Assembly,
    Collection,
    SourceFiles,
    Tokenizer,
)
from mixopt.catalog.building.jobs import ReadingDigests
from mixopt.catalog.building.lock import only_build
from mixopt.catalog.building.made import Inputs, Making, made_source
from mixopt.catalog.building.measured import MeasuredStore
from mixopt.catalog.building.measurer import Measurer
from mixopt.catalog.building.needed_files import Listing
from mixopt.catalog.building.protecting import read_protected
from mixopt.catalog.building.workers import Workers
from mixopt.catalog.conditions import label_names, score_names
from mixopt.catalog.counting import Counting
from mixopt.catalog.inventory import Inventory, open_catalog, read_inventory
from mixopt.catalog.listing import list_files
from mixopt.catalog.made_sources import GarbledSource
from mixopt.catalog.measuring.measure import Measuring
from mixopt.catalog.recipe import CatalogRecipe, CollectionRecipe, DomainRecipe
from mixopt.catalog.score_files import find_scores
from mixopt.catalog.sources import FileSource, MadeSource
from mixopt.errors import CatalogError, MixoptError

Part = CollectionRecipe | DomainRecipe
Place = tuple[str, int]

_WORKER_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogSummary:
    """What was built.

    Attributes:
        path: the catalog file.
        inventory: what it holds.
        shards: files that documents were taken from.
        quarantined: pieces of broken input that were set aside.
        measured: files that were read.
        reused: files that were measured before, and are as they were.
        removed: files that the catalog it replaces had, and it has not.
        notes: what the user should be told.
    """

    path: Path
    inventory: Inventory
    shards: int
    quarantined: int
    measured: int
    reused: int
    removed: int
    notes: tuple[str, ...]


def build_catalog(
    recipe: CatalogRecipe,
    path: Path,
    *,
    recipe_file: Path,
    counting: Counting,
    workers: int = 1,
    progress: Callable[[int, int], None],
) -> CatalogSummary:
    """Build a catalog file; whenever this stops, there is the old file or the new one.

    Files that were measured before and have not changed are not read again: what was measured is
    kept in `<stem>.measured.duckdb` beside the catalog, that of a build that was stopped as well.

    Args:
        recipe: what to read.
        path: the file to write; documents that are made go to `<stem>.shards` beside it.
        recipe_file: where the recipe stands; its relative paths start there.
        counting: counts tokens.
        workers: processes that measure files; 1 measures in this one, 0 takes as many as there are
            processors, or fewer where there is little to read.
        progress: is told how many bytes were read, and how many are to be read.

    Raises:
        CatalogError: a source has no files or cannot be reached, a domain has no documents, scores
            of a proxy are missing, the catalog is being built already, or nothing can be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_build(path):
            build = _Build(recipe, recipe_file, counting, path)
            build.measure(workers, progress)
            return build.assemble()
    except OSError as error:
        what = f"cannot build {path}"
        remedy = "Check the folder and the free space."
        raise CatalogError(what, why=str(error), remedy=remedy) from error


class _Build:
    """One build under way: the listed files, and what became of them."""

    def __init__(
        self, recipe: CatalogRecipe, recipe_file: Path, counting: Counting, path: Path
    ) -> None:
        self._recipe = recipe
        self._recipe_file = recipe_file
        self._counting = counting
        self._path = path
        self._store_path = path.with_name(f"{path.stem}.measured.duckdb")
        self._making = Making(
            recipe=recipe, counting=counting, folder=path.with_name(f"{path.stem}.shards")
        )
        self._parts: list[Part] = [*recipe.collection, *recipe.domain]
        self._listings: dict[Place, Listing] = {}
        self._proxy_scores = find_scores(path, recipe.profile.proxy_scores)
        self._counts: dict[str, int] = {}
        self._notes: list[str] = []

    def measure(self, workers: int, progress: Callable[[int, int], None]) -> None:
        """Measure all files; garbled documents are made and measured once those they damage are."""
        load = self._counting.load
        protection = read_protected(self._recipe, self._recipe_file, load)
        self._notes += protection.notes
        measuring = Measuring(
            counting=self._counting, profile=self._recipe.profile, protected=protection.grams
        )
        self._list()
        count = workers or _enough_workers(self._listings.values())
        with self._open_store(measuring) as store, Workers(measuring, count) as pool:
            measurer = Measurer(store, pool, threads=count, progress=progress)
            measurer.measure(list(self._listings.values()))
            measured = set(self._listings)
            self._list(store)
            measurer.measure([self._listings[place] for place in self._listings.keys() - measured])
            numbers = sorted(
                {number for each in self._listings.values() for number in each.numbers}
            )
            self._counts = {
                **store.count_pieces(numbers),
                "measured": measurer.measured,
                "reused": measurer.reused,
            }
            store.tidy(numbers)
            self._notes += store.notes

    def assemble(self) -> CatalogSummary:
        """Write the catalog beside its place and put it there once it is complete."""
        removed = self._count_removed()
        beside = self._path.with_name(f".{self._path.name}.partial")
        _remove(beside)
        try:
            self._notes += assemble(self._store_path, beside, self._assembly())
            _flush_to_disk(beside)
            beside.replace(self._path)
            _flush_to_disk(self._path.parent)
        finally:
            _remove(beside)
        self._making.remove_unused(self._listings.values())
        inventory = read_inventory(self._path)
        return CatalogSummary(
            path=self._path,
            inventory=inventory,
            removed=removed,
            notes=tuple(self._notes),
            **self._counts,
        )

    def _list(self, store: MeasuredStore | None = None) -> None:
        """List the files of all sources but garbled ones, or, with what they damage, of these."""
        for part in self._parts:
            for number, source in enumerate(part.sources):
                if isinstance(source, GarbledSource) == (store is not None):
                    listing = self._listing(part, number, source, store)
                    self._listings[part.name, number] = listing

    def _listing(
        self,
        part: Part,
        number: int,
        source: FileSource | MadeSource,
        store: MeasuredStore | None,
    ) -> Listing:
        if isinstance(source, GarbledSource) and store is not None:
            return self._making.make(part, number, source, self._inputs(source, store))
        if isinstance(source, MadeSource):
            return self._making.make(part, number, source, Inputs())
        files = list_files(source, domain=part.name, recipe_file=self._recipe_file)
        schema = part.document_schema
        digests = ReadingDigests(source, schema, self._counting.load)
        return Listing(part.name, schema, source, files, digests)

    def _inputs(self, source: GarbledSource, store: MeasuredStore) -> Inputs:
        listings = tuple(
            each for each in self._listings.values() if each.collection in source.domains
        )
        content = tuple(store.name_content(each.numbers) for each in listings)
        return Inputs(listings=listings, content=content)

    def _open_store(self, measuring: Measuring) -> MeasuredStore:
        sources = [
            made_source(source, self._making.folder) if isinstance(source, MadeSource) else source
            for part in self._parts
            for source in part.sources
        ]
        return MeasuredStore(
            self._store_path,
            measuring.digest,
            scores={name for source in sources for name in score_names(source)},
            labels={name for source in sources for name in label_names(source)},
        )

    def _assembly(self) -> Assembly:
        return Assembly(
            recipe=self._recipe,
            recipe_file=self._recipe_file,
            tokenizers=tuple(
                Tokenizer(name=counter.name, digest=counter.digest)
                for counter in self._counting.counters
            ),
            collections=tuple(
                Collection(
                    name=part.name,
                    schema=part.document_schema,
                    sources=tuple(
                        _source_files(self._listings[part.name, number])
                        for number in range(len(part.sources))
                    ),
                )
                for part in self._parts
                if part.sources
            ),
            proxy_scores=self._proxy_scores,
            previous=self._path,
        )

    def _count_removed(self) -> int:
        """Return how many files the catalog has that the new one has not."""
        try:
            with open_catalog(self._path, "read") as database:
                paths = set(database.fetch_table("read_paths")["path"].to_pylist())
        except MixoptError:
            return 0
        listed = (wanted for each in self._listings.values() for wanted in each.wanted)
        return len(paths.difference(wanted.file.location for wanted in listed))


def _source_files(listing: Listing) -> SourceFiles:
    files = (wanted.file for wanted in listing.wanted)
    return SourceFiles(source=listing.source, files=tuple(zip(listing.numbers, files, strict=True)))


def _enough_workers(listings: Iterable[Listing]) -> int:
    """Return one worker for every processor, or fewer where starting them takes longer."""
    num_bytes = sum(wanted.file.num_bytes for each in listings for wanted in each.wanted)
    return min(os.cpu_count() or 1, 1 + num_bytes // _WORKER_BYTES)


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)
