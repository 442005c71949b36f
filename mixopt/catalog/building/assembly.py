"""What a catalog is assembled from: its recipe, and the files whose documents were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixopt.catalog.conditions import label_names, score_names
from mixopt.catalog.locations import File
from mixopt.catalog.recipe import CatalogRecipe, Schema
from mixopt.catalog.sources import FileSource


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFiles:
    """A source and its files, in the order in which their shards are numbered.

    Attributes:
        source: how the files are read; for documents that were made, how they are read again.
        files: the number of each file in the store of measurements, and where it lies.
    """

    source: FileSource
    files: tuple[tuple[int, File], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """The files of one collection, or of one domain with sources.

    Attributes:
        name: that of the collection or domain.
        schema: texts, conversations or preferences.
        sources: its sources, in the recipe's order.
    """

    name: str
    schema: Schema
    sources: tuple[SourceFiles, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokenizer:
    """The name and content of a tokenizer that tokens were counted with.

    Attributes:
        name: what recipes call it.
        digest: names its content.
    """

    name: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """All that a catalog file is assembled from, beside the store of measurements.

    Attributes:
        recipe: what was asked for.
        recipe_file: where the recipe stands.
        tokenizers: the catalog's tokenizer first, then the further ones.
        collections: those of `[[collection]]` first, then those of domains with sources, named as
            the domain; each in the recipe's order.
        proxy_scores: the files of the scores that are attached to documents, by name.
        previous: the catalog that is replaced, whose history goes on; none begins a new one.
    """

    recipe: CatalogRecipe
    recipe_file: Path
    tokenizers: tuple[Tokenizer, ...]
    collections: tuple[Collection, ...]
    proxy_scores: Mapping[str, Path] = field(default_factory=dict)
    previous: Path | None = None

    def sources(self) -> Iterator[FileSource]:
        """Yield the sources of all collections."""
        for collection in self.collections:
            for part in collection.sources:
                yield part.source

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores that any source gives or that are attached, sorted."""
        given = {name for source in self.sources() for name in score_names(source)}
        return tuple(sorted(given | self.proxy_scores.keys()))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that any source gives, sorted."""
        return tuple(sorted({name for source in self.sources() for name in label_names(source)}))
