"""Reading the documents of a measured file again, and noticing when it holds others than it did."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document, fingerprint_of
from mixopt.catalog.locations import File, file_at
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import FileSource
from mixopt.errors import CatalogError

_FINGERPRINT_DIGITS = 16  # 64 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldFile:
    """What a file held when it was measured.

    Attributes:
        file: the file as it was.
        source: how it is read.
        schema: what its documents are.
        taken: how many documents were taken, from its beginning.
        content_hash: names those that are wanted.
        members: a text of zeros and ones: the d-th document is wanted where the d-th is a one,
            documents after its end are not; none wants all.
    """

    file: File
    source: FileSource
    schema: Schema
    taken: int
    content_hash: str
    members: str | None = None


def reread_documents(
    held: HeldFile, load: Callable[[str], TokenCounter]
) -> Iterator[tuple[str, Document]]:
    """Yield the identity and content of the wanted documents of a file again.

    Reading stops at the last of them; the others may have changed.

    Args:
        held: what the file held.
        load: returns the tokenizer of a name or path, for sources that hold tokens.

    Raises:
        CatalogError: the file is gone, or holds other documents than it did; the latter may show
            only after documents were yielded.
    """
    _require_size(held)
    members = held.members
    last = held.taken if members is None else members.rfind("1") + 1
    fingerprints = read = wanted = 0
    documents = read_documents(held.file, held.source, held.schema, Intake(), load=load)
    for document in documents if last else ():
        read += 1
        if members is None or members[read - 1] == "1":
            wanted += 1
            identity = document.identity
            fingerprint = fingerprint_of(document, identity)
            fingerprints += int(fingerprint[:_FINGERPRINT_DIGITS], 16)
            yield identity, document
        if read == last:
            break
    if read < last:
        raise _changed(held, f"It holds {read:,} documents; it had {held.taken:,}.")
    if content_hash(wanted, fingerprints) != held.content_hash:
        raise _changed(held, "It holds other documents than when the catalog was built.")


def content_hash(documents: int, fingerprints: int) -> str:
    """Return 16 hexadecimal digits that name a multiset of documents, in whatever order they stand.

    A sum of the documents' hashes (AdHash; Bellare and Micciancio, 1997, section 5) can be merged
    over shards, and unlike an exclusive-or it sees duplicates.

    Args:
        documents: how many.
        fingerprints: the sum of the first 64 bits of their fingerprints.
    """
    return hashlib.sha256(f"{documents}:{fingerprints}".encode()).hexdigest()[:16]


def _require_size(held: HeldFile) -> None:
    """Check that a file has the size that it had.

    Raises:
        CatalogError: it is gone, cannot be reached, or has another size.
    """
    try:
        now = file_at(held.file.location, held.file.storage)
    except CatalogError as error:
        what = f"the shard {held.file.location} is missing or cannot be reached"
        raise CatalogError(
            what,
            why=error.why or error.what,
            remedy="Restore it, or build the catalog again.",
        ) from error
    if now.num_bytes != held.file.num_bytes:
        was = held.file.num_bytes
        raise _changed(held, f"It has {now.num_bytes:,} bytes; it had {was:,}.")


def _changed(held: HeldFile, why: str) -> CatalogError:
    what = f"the shard {held.file.location} has changed"
    return CatalogError(what, why=why, remedy="Build the catalog again.")
