"""The read side of a catalog: what each domain holds, its shards, and their documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from mixopt.catalog.attached import AttachedScores
from mixopt.catalog.conditions import label_names, score_names
from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document, Split, split_of
from mixopt.catalog.locations import File
from mixopt.catalog.recipe import ProfileRecipe, Provenance, Schema, SplitShares
from mixopt.catalog.rereading import HeldFile, reread_documents
from mixopt.catalog.sources import FileSource
from mixopt.database.connection import Database, Mode, Row
from mixopt.errors import CatalogError, NotFoundError


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainSupply:
    """What one domain holds.

    Attributes:
        name: what mixtures call it.
        provenance: how its documents came to be.
        schema: texts, conversations or preferences.
        licence: the terms its documents are under.
        supply_tokens: unique tokens for the target run: declared, else those of the train split.
        sample_tokens: tokens that proxies can see: those of the train split, or of its sample.
        documents: documents in all splits, or in their sample.
        num_bytes: UTF-8 bytes of these documents.
        content_hash: names these documents, whatever the order of files.
    """

    name: str
    provenance: Provenance
    schema: Schema
    licence: str
    supply_tokens: int
    sample_tokens: int
    documents: int
    num_bytes: int
    content_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a catalog holds, as schedules and plans see it.

    Attributes:
        catalog: the catalog's name.
        tokenizer: the tokenizer that tokens were counted with.
        content_hash: names the domains' contents and supplies, and the tokenizer.
        domains: the domains, in the order of the recipe.
    """

    catalog: str
    tokenizer: str
    content_hash: str
    domains: tuple[DomainSupply, ...]
    _by_name: Mapping[str, DomainSupply] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {domain.name: domain for domain in self.domains})

    def names(self, schema: Schema | None = None) -> tuple[str, ...]:
        """Return the names of all domains, or of those of one schema, in the recipe's order."""
        return tuple(
            domain.name for domain in self.domains if schema is None or domain.schema == schema
        )

    def domain(self, name: str) -> DomainSupply:
        """Return the domain of that name.

        Raises:
            NotFoundError: there is none; names the nearest.
        """
        if name in self._by_name:
            return self._by_name[name]
        near = get_close_matches(name, self.names(), n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        more = ", ..." if len(self.domains) > _LISTED else ""
        what = f"catalog '{self.catalog}' has no domain '{name}'"
        raise NotFoundError(
            what,
            remedy=f"{hint}Domains: {', '.join(self.names()[:_LISTED])}{more}.",
        )

    def supply(self, names: Iterable[str]) -> dict[str, int]:
        """Return the supply of each named domain, in tokens of the target run."""
        return {name: self.domain(name).supply_tokens for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One file of documents.

    Attributes:
        domain: the domain it belongs to.
        path: where it lies: an absolute path or a URL.
        format: the reader that reads it.
        num_bytes: UTF-8 bytes of its documents.
        documents: documents in all splits.
        tokens: tokens in all splits.
        content_hash: names its documents.
    """

    domain: str
    path: str
    format: str
    num_bytes: int
    documents: int
    tokens: int
    content_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnNames:
    """What the columns of a catalog's documents are called.

    Attributes:
        recipe_file: the recipe that it was built from.
        given: scores and labels that its sources give.
        attached: scores of a proxy that were attached.
    """

    recipe_file: Path
    given: frozenset[str]
    attached: tuple[str, ...]


def read_column_names(catalog_path: Path) -> ColumnNames:
    """Read what the columns of a catalog's documents are called.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: as for `read_inventory`.
    """
    with open_catalog(catalog_path, "read") as database:
        (found,) = database.fetch("read_columns")
    sources = [_FILE_SOURCE.validate_json(options) for options in found["sources"]]
    return ColumnNames(
        recipe_file=Path(found["recipe_file"]),
        given=frozenset(
            name for source in sources for name in (*score_names(source), *label_names(source))
        ),
        attached=ProfileRecipe.model_validate_json(found["profile"]).proxy_scores,
    )


def read_inventory(catalog_path: Path) -> Inventory:
    """Read what a catalog holds.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: it is locked, damaged, or of another schema version.
    """
    with open_catalog(catalog_path, "read") as database:
        (info,) = database.fetch("read_info")
        domains = tuple(DomainSupply(**row) for row in database.fetch("read_domains"))
    return Inventory(
        catalog=info["name"],
        tokenizer=info["tokenizer"],
        content_hash=info["content_hash"],
        domains=domains,
    )


def read_shards(catalog_path: Path, domain: str) -> list[Shard]:
    """Read the list of a domain's shards.

    Raises:
        NotFoundError: there is no such file, or no such domain.
        CatalogError: as for `read_inventory`.
    """
    read_inventory(catalog_path).domain(domain)
    with open_catalog(catalog_path, "read") as database:
        rows = database.fetch("read_shards", domain=domain)
    return [Shard(**row) for row in rows]


def _without_tokenizers(name: str) -> TokenCounter:
    what = f"documents that are held as tokens of '{name}' cannot be read here"
    raise CatalogError(what, remedy="Use a command that can load tokenizers.")


def iterate_documents(
    catalog_path: Path,
    domain: str,
    split: Split,
    *,
    load: Callable[[str], TokenCounter] = _without_tokenizers,
) -> Iterator[Document]:
    """Yield the documents of one split of a domain that proxies see, re-reading its shards.

    Shards without documents of the split, or outside of the domain's sample, are not opened.

    Args:
        catalog_path: the catalog.
        domain: the domain's name.
        split: the side that is wanted.
        load: returns the tokenizer of a name or path, for sources that hold tokens.

    Raises:
        NotFoundError: there is no such file, or no such domain.
        CatalogError: a shard is missing or has changed, or as for `read_inventory`.
    """
    for found, document in _reread(catalog_path, domain, split, load):
        if found == split:
            yield document


def iterate_splits(
    catalog_path: Path, domain: str, *, load: Callable[[str], TokenCounter]
) -> Iterator[tuple[Split, Document]]:
    """Yield all documents of a domain that proxies see, with their splits, in one pass.

    Args:
        catalog_path: the catalog.
        domain: the domain's name.
        load: returns the tokenizer of a name or path, for sources that hold tokens.

    Raises:
        NotFoundError: there is no such file, or no such domain.
        CatalogError: a shard is missing or has changed, or as for `read_inventory`.
    """
    return _reread(catalog_path, domain, None, load)


def _reread(
    catalog_path: Path, domain: str, split: Split | None, load: Callable[[str], TokenCounter]
) -> Iterator[tuple[Split, Document]]:
    """Yield the documents of those shards that have any of the split, or of all shards."""
    supply = read_inventory(catalog_path).domain(domain)
    with open_catalog(catalog_path, "read") as database:
        (info,) = database.fetch("read_info")
        rows = database.fetch("read_held_files", domain=domain, split=split)
        attached = AttachedScores(database.fetch_table("read_attached", domain=domain))
    shares = _shares(info)
    for row in rows:
        for identity, document in reread_documents(_held_file(row, supply.schema), load):
            yield split_of(identity, shares), attached.added_to(document, identity)


def count_unseen(catalog_path: Path) -> int:
    """Return how many texts and conversations `iterate_taken` yields that no proxy sees.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: as for `read_inventory`.
    """
    with open_catalog(catalog_path, "read") as database:
        (found,) = database.fetch("count_unseen")
    return int(found["documents"])


def iterate_taken(
    catalog_path: Path, *, load: Callable[[str], TokenCounter]
) -> Iterator[tuple[Split, Document]]:
    """Yield all texts and conversations of a catalog with their splits, whoever sees them.

    Those outside of samples, and of collections those in no domain, are among them. They have no
    attached scores.

    Args:
        catalog_path: the catalog.
        load: returns the tokenizer of a name or path, for sources that hold tokens.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: a shard is missing or has changed, or as for `read_inventory`.
    """
    with open_catalog(catalog_path, "read") as database:
        (info,) = database.fetch("read_info")
        rows = database.fetch("read_taken_files")
    shares = _shares(info)
    for row in rows:
        for identity, document in reread_documents(_held_file(row, row["schema"]), load):
            yield split_of(identity, shares), document


def _shares(info: Row) -> SplitShares:
    return SplitShares(validation=info["validation_share"], test=info["test_share"])


def _held_file(row: Row, schema: Schema) -> HeldFile:
    return HeldFile(
        file=File(
            location=row["path"],
            num_bytes=row["file_bytes"],
            modified=row["modified"],
            storage=tuple(sorted(json.loads(row["storage"]).items())),
        ),
        source=_FILE_SOURCE.validate_json(row["options"]),
        schema=schema,
        taken=row["taken"],
        content_hash=row["content_hash"],
        members=row["members"],
    )


def open_catalog(path: Path, mode: Mode) -> Database:
    """Open a catalog file; see `Database` for the modes and errors."""
    return Database(path, mode, package="mixopt.catalog.sql")


_LISTED = 20
_FILE_SOURCE: TypeAdapter[FileSource] = TypeAdapter(
    Annotated[FileSource, Field(discriminator="reader")]
)
