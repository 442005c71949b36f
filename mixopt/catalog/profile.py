"""Statistics of documents as pure functions: totals by split, lengths, duplicates, content hashes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mixopt.catalog.documents import SPLITS, Split

_HASH_RANGE = 2**256


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One document, measured.

    Attributes:
        identity: its hash, in hexadecimal.
        fingerprint: the hash of its content and scores, in hexadecimal.
        split: the side it is on.
        num_bytes: its UTF-8 bytes.
        tokens: its tokens.
    """

    identity: str
    fingerprint: str
    split: Split
    num_bytes: int
    tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Sums over documents.

    Attributes:
        documents: how many.
        num_bytes: their UTF-8 bytes.
        tokens: their tokens.
    """

    documents: int = 0
    num_bytes: int = 0
    tokens: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return the sums over the documents of both."""
        return Totals(
            documents=self.documents + other.documents,
            num_bytes=self.num_bytes + other.num_bytes,
            tokens=self.tokens + other.tokens,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Statistics of a shard or a domain.

    Attributes:
        splits: totals by split; all three are there.
        lengths: documents by the whole part of log2 of their bytes.
        fingerprint_sum: sum of all fingerprints as numbers, modulo 2^256.
    """

    splits: Mapping[Split, Totals]
    lengths: Mapping[int, int] = field(default_factory=dict)
    fingerprint_sum: int = 0

    @property
    def totals(self) -> Totals:
        """Totals over all splits."""
        return sum(self.splits.values(), Totals())

    @property
    def content_hash(self) -> str:
        """Names the multiset of documents; see `content_hash`."""
        return content_hash(self.totals.documents, self.fingerprint_sum)


def profile_documents(documents: Iterable[Measured]) -> Profile:
    """Return the statistics of documents."""
    splits = dict.fromkeys(SPLITS, Totals())
    lengths: Counter[int] = Counter()
    fingerprint_sum = 0
    for document in documents:
        splits[document.split] += Totals(
            documents=1, num_bytes=document.num_bytes, tokens=document.tokens
        )
        lengths[length_bucket(document.num_bytes)] += 1
        fingerprint_sum = add_fingerprint(fingerprint_sum, document.fingerprint)
    return Profile(
        splits=splits, lengths=dict(sorted(lengths.items())), fingerprint_sum=fingerprint_sum
    )


def merge_profiles(profiles: Iterable[Profile]) -> Profile:
    """Return the statistics of all documents of several profiles, in whatever order."""
    splits = dict.fromkeys(SPLITS, Totals())
    lengths: Counter[int] = Counter()
    fingerprint_sum = 0
    for profile in profiles:
        for split in SPLITS:
            splits[split] += profile.splits[split]
        lengths.update(profile.lengths)
        fingerprint_sum = (fingerprint_sum + profile.fingerprint_sum) % _HASH_RANGE
    return Profile(
        splits=splits, lengths=dict(sorted(lengths.items())), fingerprint_sum=fingerprint_sum
    )


def add_fingerprint(fingerprint_sum: int, fingerprint: str) -> int:
    """Return the sum of fingerprints with one more in it, modulo 2^256."""
    return (fingerprint_sum + int(fingerprint, 16)) % _HASH_RANGE


def content_hash(documents: int, fingerprint_sum: int) -> str:
    """Return 16 hex digits that name a multiset of documents, in whatever order they were read.

    A sum of the documents' hashes (AdHash; Bellare and Micciancio, 1997, section 5) can be merged
    over shards, and unlike an exclusive-or it sees duplicates.
    """
    return hashlib.sha256(f"{documents}:{fingerprint_sum}".encode()).hexdigest()[:16]


def length_bucket(num_bytes: int) -> int:
    """Return the whole part of log2(num_bytes); bucket b holds lengths from 2^b to 2^(b+1) - 1."""
    return max(num_bytes, 1).bit_length() - 1


class DistinctDocuments:
    """Which documents of a domain were seen before, and the tokens of those that were not."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._splits = dict.fromkeys(SPLITS, Totals())

    def add(self, documents: Iterable[Measured]) -> None:
        """Count those documents whose identity was not counted yet."""
        for document in documents:
            key = bytes.fromhex(document.identity)[:16]
            if key not in self._seen:
                self._seen.add(key)
                self._splits[document.split] += Totals(
                    documents=1, num_bytes=document.num_bytes, tokens=document.tokens
                )

    @property
    def splits(self) -> Mapping[Split, Totals]:
        """Totals of the distinct documents by split."""
        return dict(self._splits)

    @property
    def documents(self) -> int:
        """How many distinct documents there are."""
        return len(self._seen)


def duplicate_share(documents: int, distinct: int) -> float:
    """Return the share of documents that repeat an earlier one exactly, 0 to 1."""
    return 1 - distinct / documents if documents else 0.0
