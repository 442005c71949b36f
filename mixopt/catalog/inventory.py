"""The read side of a catalog: what each domain holds, its shards, and their documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from mixopt.catalog.documents import Document, Split, split_of
from mixopt.catalog.recipe import Provenance, Schema, SplitShares
from mixopt.catalog.shards import ShardContent, reread_documents
from mixopt.catalog.sources import FileSource
from mixopt.database.connection import Database, Mode
from mixopt.errors import NotFoundError


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainSupply:
    """What one domain holds.

    Attributes:
        name: what mixtures call it.
        provenance: how its documents came to be.
        schema: texts or conversations.
        licence: the terms its documents are under.
        supply_tokens: unique tokens for the target run: declared, else those of the train split.
        sample_tokens: tokens found in the train split.
        documents: documents in all splits.
        num_bytes: UTF-8 bytes of these documents.
        content_hash: names the documents, whatever the order of files.
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
        for domain in self.domains:
            if domain.name == name:
                return domain
        near = get_close_matches(name, self.names(), n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        what = f"catalog '{self.catalog}' has no domain '{name}'"
        raise NotFoundError(
            what,
            remedy=f"{hint}Domains: {', '.join(self.names())}.",
        )

    def supply(self, names: Iterable[str]) -> dict[str, int]:
        """Return the supply of each named domain, in tokens of the target run."""
        return {name: self.domain(name).supply_tokens for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One file of documents.

    Attributes:
        domain: the domain it belongs to.
        path: where it lies, absolute.
        format: the reader that reads it.
        num_bytes: UTF-8 bytes of its documents.
        documents: documents in all splits.
        tokens: tokens in all splits.
        content_hash: names its documents.
    """

    domain: str
    path: Path
    format: str
    num_bytes: int
    documents: int
    tokens: int
    content_hash: str


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
    return [Shard(**{**row, "path": Path(row["path"])}) for row in rows]


def iterate_documents(catalog_path: Path, domain: str, split: Split) -> Iterator[Document]:
    """Yield the documents of one split of a domain, re-reading its shards.

    Shards without documents of the split are not opened.

    Raises:
        NotFoundError: there is no such file, or no such domain.
        CatalogError: a shard is missing or has changed, or as for `read_inventory`.
    """
    supply = read_inventory(catalog_path).domain(domain)
    with open_catalog(catalog_path, "read") as database:
        (info,) = database.fetch("read_info")
        rows = database.fetch("read_shards_of_split", domain=domain, split=split)
    shares = SplitShares(validation=info["validation_share"], test=info["test_share"])
    for row in rows:
        source = _FILE_SOURCE.validate_json(row.pop("options"))
        content = ShardContent(**{**row, "path": Path(row["path"])})
        for document in reread_documents(content, source, supply.schema):
            if split_of(document.identity, shares) == split:
                yield document


def open_catalog(path: Path, mode: Mode) -> Database:
    """Open a catalog file; see `Database` for the modes and errors."""
    return Database(path, mode, package="mixopt.catalog.sql")


_FILE_SOURCE: TypeAdapter[FileSource] = TypeAdapter(
    Annotated[FileSource, Field(discriminator="reader")]
)
