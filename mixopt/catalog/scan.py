"""Building a catalog: every source read and measured, written as one new file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mixopt import seeds
from mixopt.catalog.documents import Document, split_of
from mixopt.catalog.files import find_files
from mixopt.catalog.garble import garbled_documents
from mixopt.catalog.generate import DIFFICULTY, task_documents, write_shards
from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.catalog.recipe import CatalogRecipe, DomainRecipe
from mixopt.catalog.shards import (
    Counting,
    DomainScanner,
    ShardContent,
    TokenCounter,
    reread_documents,
)
from mixopt.catalog.sources import GarbledSource, JsonlSource, TasksSource
from mixopt.catalog.write import CatalogContent, write_catalog
from mixopt.errors import CatalogError


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogSummary:
    """What was built.

    Attributes:
        path: the catalog file.
        inventory: what it holds.
        shards: files that documents were taken from.
        quarantined: pieces of broken input that were set aside.
    """

    path: Path
    inventory: Inventory
    shards: int
    quarantined: int


def build_catalog(
    recipe: CatalogRecipe,
    path: Path,
    *,
    recipe_file: Path,
    counter: TokenCounter,
    render: Callable[[Document], str],
    progress: Callable[[str, int], None],
) -> CatalogSummary:
    """Build a catalog file; whenever this stops, there is the old file or the new one.

    Args:
        recipe: what to read.
        path: the file to write; generated shards are written to `<stem>.shards` beside it.
        recipe_file: where the recipe stands; its relative paths start there.
        counter: counts tokens.
        render: writes a document as the text whose tokens count.
        progress: is told a domain and how many documents of it were read since the last call.

    Raises:
        CatalogError: a source has no files, a domain has no documents, or nothing can be written.
    """
    counting = Counting(shares=recipe.split, counter=counter, render=render, progress=progress)
    build = _Build(recipe, recipe_file, path.with_name(f"{path.stem}.shards"), counting)
    try:
        scanners = build.scan_all()
        content = CatalogContent(
            recipe=recipe,
            recipe_file=recipe_file,
            tokenizer=counter.name,
            tokenizer_digest=counter.digest,
            domains=tuple(scanners),
        )
        write_catalog(path, content)
        _remove_unused(build.shards_folder, scanners)
    except OSError as error:
        what = f"cannot build {path}"
        raise CatalogError(
            what, why=str(error), remedy="Check the folder and the free space."
        ) from error
    return CatalogSummary(
        path=path,
        inventory=read_inventory(path),
        shards=sum(len(scanner.shards) for scanner in scanners),
        quarantined=sum(len(scanner.quarantine) for scanner in scanners),
    )


class _Build:
    """The domains measured so far, which garbled sources read from."""

    def __init__(
        self, recipe: CatalogRecipe, recipe_file: Path, shards_folder: Path, counting: Counting
    ) -> None:
        self.shards_folder = shards_folder
        self._recipe = recipe
        self._recipe_file = recipe_file
        self._counting = counting
        self._scanned: dict[str, DomainScanner] = {}

    def scan_all(self) -> list[DomainScanner]:
        """Return the measured domains in the recipe's order; garbled ones are measured last."""
        for domain in sorted(self._recipe.domain, key=_is_garbled):
            self._scanned[domain.name] = self._scan(domain)
        return [self._scanned[domain.name] for domain in self._recipe.domain]

    def _scan(self, domain: DomainRecipe) -> DomainScanner:
        scanner = DomainScanner(domain, self._counting)
        for number, source in enumerate(domain.sources):
            if isinstance(source, TasksSource | GarbledSource):
                paths = self._generate(domain, number, source)
                scanner.scan(paths, self._shards_source(source), None)
            else:
                paths = find_files(source, domain=domain.name, recipe_file=self._recipe_file)
                scanner.scan(paths, source, source.limit_bytes)
        _check_not_empty(scanner, self._recipe_file)
        return scanner

    def _generate(
        self, domain: DomainRecipe, number: int, source: TasksSource | GarbledSource
    ) -> list[Path]:
        seed = seeds.derive(self._recipe.seed, "catalog", domain.name, number)
        if isinstance(source, GarbledSource):
            documents = garbled_documents(source, seed, self._training_text)
        elif domain.document_schema == "text":
            documents = task_documents(source, seed, self._written_out)
        else:
            documents = task_documents(source, seed)
        return write_shards(documents, self.shards_folder / domain.name, number)

    def _shards_source(self, source: TasksSource | GarbledSource) -> JsonlSource:
        """Return how generated shards are read."""
        scores = {DIFFICULTY: DIFFICULTY} if isinstance(source, TasksSource) else {}
        return JsonlSource(reader="jsonl", path=str(self.shards_folder), scores=scores)

    def _written_out(self, document: Document) -> Document:
        """Return a conversation as the text it is trained on; a text stays as it is."""
        return Document(text=self._counting.render(document), scores=document.scores)

    def _training_text(self, domain: str) -> Iterator[Document]:
        """Yield a domain's training documents; held-out text stays unseen, even in pieces."""
        scanner = self._scanned[domain]
        contents = (
            (
                ShardContent(
                    path=shard.path,
                    file_bytes=shard.file_bytes,
                    documents=shard.profile.totals.documents,
                    content_hash=shard.profile.content_hash,
                ),
                shard.source,
            )
            for shard in scanner.shards
        )
        documents = chain.from_iterable(
            reread_documents(content, source, "text") for content, source in contents
        )
        for document in documents:
            if split_of(document.identity, self._recipe.split) == "train":
                yield document


def _is_garbled(domain: DomainRecipe) -> bool:
    return any(isinstance(source, GarbledSource) for source in domain.sources)


def _check_not_empty(scanner: DomainScanner, recipe_file: Path) -> None:
    if scanner.distinct.splits["train"].documents:
        return
    broken = scanner.quarantine.entries[:1]
    first = f" The first: {broken[0].path}: {broken[0].reason}." if broken else ""
    what = f"{recipe_file}: domain '{scanner.recipe.name}' has no document to train on"
    raise CatalogError(
        what,
        why=f"{scanner.distinct.documents} documents were found, all held out; "
        f"{len(scanner.quarantine)} pieces of input are broken.{first}",
        remedy="Give it more sources, or mend them.",
    )


def _remove_unused(folder: Path, scanners: list[DomainScanner]) -> None:
    """Remove generated shards that only the replaced catalog used."""
    used = {shard.path for scanner in scanners for shard in scanner.shards}
    for path in folder.glob("*/part-*"):
        if path.resolve() not in used:
            path.unlink()
