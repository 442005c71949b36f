"""What a catalog says of its domains, their quarantine and their history, as rows to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixopt.catalog.inventory import open_catalog, read_inventory
from mixopt.database.connection import Row
from mixopt.errors import NotFoundError

_LABEL_VALUES = 10
_EXCERPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainProfile:
    """All that a catalog knows of one domain; every list has one mapping a row.

    Attributes:
        domain: its row of the table `domains`.
        splits: documents, bytes and tokens by split.
        files: documents read, taken, filtered and quarantined of its files, those of its
            collections where it is cut from some.
        lengths: documents by length, in powers of two of their bytes.
        languages: documents and bytes by language, the most frequent first.
        token_counts: tokens by tokenizer, the catalog's and further ones.
        scores: mean and quantiles by score.
        labels: tokens by value, of every label the ten most frequent.
        overlaps: documents with near-duplicates in each domain, itself among them.
        contaminations: training documents that share n-grams with held-out and protected texts.
        excerpts: how three documents begin.
    """

    domain: Row
    splits: list[Row]
    files: Row
    lengths: list[Row]
    languages: list[Row]
    token_counts: list[Row]
    scores: list[Row]
    labels: list[Row]
    overlaps: list[Row]
    contaminations: list[Row]
    excerpts: list[Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """What is broken in a catalog's files.

    Attributes:
        collections: files and pieces by collection; of a file the first thousand pieces are kept.
        reasons: pieces by reason, the most frequent first; `#` stands for numbers.
        entries: the first pieces: file, place and reason.
    """

    collections: list[Row]
    reasons: list[Row]
    entries: list[Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotChange:
    """What differs between two snapshots.

    Attributes:
        old: number and content hash of the one.
        new: of the other.
        domains: domains that came, went or changed, with the gain in documents and tokens.
        shards: the first files that did.
    """

    old: Row
    new: Row
    domains: list[Row]
    shards: list[Row]


def read_domains(catalog_path: Path) -> list[Row]:
    """Return what matters of every domain, in the recipe's order.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: it is locked, damaged, or of another schema version.
    """
    with open_catalog(catalog_path, "read") as database:
        return database.fetch("show_domains")


def read_profile(catalog_path: Path, domain: str) -> DomainProfile:
    """Return all that is known of one domain.

    Raises:
        NotFoundError: there is no such file, or no such domain.
        CatalogError: as for `read_domains`.
    """
    read_inventory(catalog_path).domain(domain)
    with open_catalog(catalog_path, "read") as database:
        return DomainProfile(
            domain=database.fetch("show_domain", domain=domain)[0],
            splits=database.fetch("show_splits", domain=domain),
            files=database.fetch("show_files", domain=domain)[0],
            lengths=database.fetch("show_lengths", domain=domain),
            languages=database.fetch("show_languages", domain=domain),
            token_counts=database.fetch("show_token_counts", domain=domain),
            scores=database.fetch("show_scores", domain=domain),
            labels=database.fetch("show_labels", domain=domain, most=_LABEL_VALUES),
            overlaps=database.fetch("show_overlaps", domain=domain),
            contaminations=database.fetch("show_contaminations", domain=domain),
            excerpts=database.fetch("show_excerpts", domain=domain, most=_EXCERPTS),
        )


def read_quarantine(catalog_path: Path, domain: str | None = None, *, most: int) -> Quarantine:
    """Return what is broken in all files, or in those of one domain or collection.

    Args:
        catalog_path: the catalog.
        domain: a domain or collection; none takes all. Of a domain that is cut from collections
            the files are theirs.
        most: entries to return at most.

    Raises:
        NotFoundError: there is no such file, domain or collection.
        CatalogError: as for `read_domains`.
    """
    with open_catalog(catalog_path, "read") as database:
        if domain is not None and not database.fetch("find_collection", collection=domain):
            read_inventory(catalog_path).domain(domain)
        return Quarantine(
            collections=database.fetch("show_quarantined_files", domain=domain),
            reasons=database.fetch("show_reasons", domain=domain),
            entries=database.fetch("show_quarantine", domain=domain, most=most),
        )


def read_snapshots(catalog_path: Path) -> list[Row]:
    """Return the snapshots of a catalog, the oldest first, and what changed with each.

    Raises:
        NotFoundError: there is no such file.
        CatalogError: as for `read_domains`.
    """
    with open_catalog(catalog_path, "read") as database:
        return database.fetch("show_snapshots")


def compare_snapshots(catalog_path: Path, old: str, new: str, *, most: int) -> SnapshotChange:
    """Return what differs between two snapshots, each named by number or content hash.

    Args:
        catalog_path: the catalog.
        old: the one.
        new: the other.
        most: files to return at most.

    Raises:
        NotFoundError: there is no such file or snapshot.
        CatalogError: as for `read_domains`.
    """
    first, second = _find_snapshot(catalog_path, old), _find_snapshot(catalog_path, new)
    ends = {"old": first["number"], "new": second["number"]}
    with open_catalog(catalog_path, "read") as database:
        return SnapshotChange(
            old=first,
            new=second,
            domains=database.fetch("show_changed_domains", **ends),
            shards=database.fetch("show_changed_shards", **ends, most=most),
        )


def _find_snapshot(catalog_path: Path, name: str) -> Row:
    with open_catalog(catalog_path, "read") as database:
        found = database.fetch("find_snapshot", snapshot=name)
        if found:
            return found[0]
        known = [str(row["number"]) for row in database.fetch("show_snapshots")]
    what = f"{catalog_path} has no snapshot '{name}'"
    raise NotFoundError(what, remedy=f"Snapshots: {', '.join(known)}, or their content hashes.")
