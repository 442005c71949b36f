"""Reading the shards of a domain: once to measure them, and again to use their documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from mixopt.catalog.documents import Document, split_of
from mixopt.catalog.profile import (
    DistinctDocuments,
    Measured,
    Profile,
    add_fingerprint,
    content_hash,
    duplicate_share,
    merge_profiles,
    profile_documents,
)
from mixopt.catalog.readers.quarantine import Quarantine
from mixopt.catalog.readers.registry import read_documents
from mixopt.catalog.recipe import DomainRecipe, Schema, SplitShares
from mixopt.catalog.sources import FileSource
from mixopt.errors import CatalogError

_BATCH_BYTES = 1 << 20


class TokenCounter(Protocol):
    """Counts the tokens of texts; given by the caller, as tokenizers live on a higher floor.

    Attributes:
        name: what recipes call the tokenizer.
        digest: names its content.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def digest(self) -> str: ...  # noqa: D102 - see the class

    def count_batch(self, texts: list[str]) -> list[int]:
        """Return the number of tokens of each text."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Counting:
    """How documents are split and their tokens counted.

    Attributes:
        shares: shares of held-out documents.
        counter: counts tokens.
        render: writes a document as the text whose tokens count.
        progress: is told the domain and the number of documents read since the last call.
    """

    shares: SplitShares
    counter: TokenCounter
    render: Callable[[Document], str]
    progress: Callable[[str, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredShard:
    """One shard as it was found.

    Attributes:
        path: the file, absolute.
        source: how it is read.
        file_bytes: size of the file.
        duplicate_share: share of its documents that repeat another one of it.
        profile: statistics of the documents taken from it.
    """

    path: Path
    source: FileSource
    file_bytes: int
    duplicate_share: float
    profile: Profile


class DomainScanner:
    """Measures the shards of one domain, and keeps what concerns all of them."""

    def __init__(self, recipe: DomainRecipe, counting: Counting) -> None:
        self.recipe = recipe
        self.quarantine = Quarantine()
        self.distinct = DistinctDocuments()
        self.shards: list[MeasuredShard] = []
        self._counting = counting

    def scan(self, files: Sequence[Path], source: FileSource, limit_bytes: int | None) -> None:
        """Measure files, taking an equal part of the limit's rest from each of them.

        Files that hold less than their part leave the rest of it to those that follow; no
        document is cut, so the last one taken may pass the limit.
        """
        rest = limit_bytes
        for number, path in enumerate(files):
            allowance = None if rest is None else -(-rest // (len(files) - number))
            shard = self._scan_file(path, source, allowance)
            if shard is not None:
                self.shards.append(shard)
                rest = None if rest is None else rest - shard.profile.totals.num_bytes
            if rest is not None and rest <= 0:
                return

    def _scan_file(
        self, path: Path, source: FileSource, allowance: int | None
    ) -> MeasuredShard | None:
        documents = read_documents(path, source, self.recipe.document_schema, self.quarantine)
        profile, distinct = profile_documents([]), DistinctDocuments()
        for batch in _batches(_first_bytes(documents, allowance)):
            measured = self._measure(batch)
            profile = merge_profiles([profile, profile_documents(measured)])
            for seen in (distinct, self.distinct):
                seen.add(measured)
        if not profile.totals.documents:
            return None
        return MeasuredShard(
            path=path.resolve(),
            source=source,
            file_bytes=path.stat().st_size,
            duplicate_share=duplicate_share(profile.totals.documents, distinct.documents),
            profile=profile,
        )

    def _measure(self, batch: list[Document]) -> list[Measured]:
        counting = self._counting
        counts = counting.counter.count_batch([counting.render(document) for document in batch])
        counting.progress(self.recipe.name, len(batch))
        return [
            Measured(
                identity=(identity := document.identity),
                fingerprint=document.fingerprint,
                split=split_of(identity, counting.shares),
                num_bytes=document.num_bytes,
                tokens=tokens,
            )
            for document, tokens in zip(batch, counts, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardContent:
    """What a shard must still hold when it is read again.

    Attributes:
        path: the file.
        file_bytes: its size.
        documents: how many documents were taken, from its beginning.
        content_hash: names these documents.
    """

    path: Path
    file_bytes: int
    documents: int
    content_hash: str


def reread_documents(
    content: ShardContent, source: FileSource, schema: Schema
) -> Iterator[Document]:
    """Yield the documents of a measured shard again.

    Raises:
        CatalogError: the file is gone, or holds other documents than it did; the latter may show
            only after documents were yielded.
    """
    _check_file(content)
    count = fingerprint_sum = 0
    found = read_documents(content.path, source, schema, Quarantine())
    for document in islice(found, content.documents):
        count += 1
        fingerprint_sum = add_fingerprint(fingerprint_sum, document.fingerprint)
        yield document
    if content_hash(count, fingerprint_sum) != content.content_hash:
        raise _changed(content, "It holds other documents than when the catalog was built.")


def _check_file(content: ShardContent) -> None:
    try:
        size = content.path.stat().st_size
    except OSError as error:
        what = f"the shard {content.path} is missing"
        raise CatalogError(
            what,
            why=str(error),
            remedy="Restore it, or build the catalog again.",
        ) from None
    if size != content.file_bytes:
        raise _changed(content, f"It has {size:,} bytes; it had {content.file_bytes:,}.")


def _changed(content: ShardContent, why: str) -> CatalogError:
    return CatalogError(
        f"the shard {content.path} has changed", why=why, remedy="Build the catalog again."
    )


def _first_bytes(documents: Iterator[Document], limit: int | None) -> Iterator[Document]:
    """Yield documents until their bytes reach a limit."""
    taken = 0
    for document in documents:
        yield document
        taken += document.num_bytes
        if limit is not None and taken >= limit:
            return


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += document.num_bytes
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
