"""Measuring batches of documents: one row of numbers for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixopt.catalog.counting import Counting, TokenCounter
from mixopt.catalog.documents import Document, fingerprint_of, identity_of
from mixopt.catalog.measuring import (
    compressibility,
    grams,
    language,
    protected,
    repetition,
    signatures,
    words,
)
from mixopt.catalog.measuring.buffer import fill_buffer
from mixopt.catalog.measuring.columns import document_schema
from mixopt.catalog.recipe import ProfileRecipe
from mixopt.recipes.digest import digest

_Value = TypeVar("_Value")

_VERSION = "1"
_MEASUREMENTS = (compressibility, grams, language, protected, repetition, signatures, words)
_EXCERPT_CHARACTERS = 160
_IDENTITY_DIGITS = 24  # 16 for the column, and 8 that choose the sample; splits go by the first 13
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measuring:
    """What is measured of documents; can be pickled.

    Attributes:
        counting: how their tokens are counted.
        profile: what is measured beside.
        protected: texts they should not hold; of n-grams of `profile.contamination` words.
    """

    counting: Counting
    profile: ProfileRecipe
    protected: protected.ProtectedGrams

    @property
    def digest(self) -> str:
        """Names all that decides the numbers."""
        return digest(
            [
                _VERSION,
                [measurement.VERSION for measurement in _MEASUREMENTS],
                [counter.digest for counter in self.counting.counters],
                self.profile.sample,
                self.profile.kept_documents > 0,
                self.profile.near_duplicates is not None,
                self.profile.contamination,
                self.protected.digest if self.profile.contamination else "",
            ]
        )


def measure_batch(documents: Sequence[Document], measuring: Measuring, *, first: int) -> pa.Table:
    """Return what is measured of each document, of which there is at least one; see `columns`.

    Args:
        documents: D documents of one file, in order.
        measuring: what is measured.
        first: number of the first of them in its file, from 0.
    """
    contents = ["\n".join(document.contents).encode() for document in documents]
    identities, fingerprints, lots = _hashes(documents, contents)
    chosen = np.flatnonzero(lots < measuring.profile.sample).tolist()
    columns = {
        "document": np.arange(first, first + len(documents), dtype=np.int32),
        "identity": identities,
        "fingerprint": fingerprints,
        "bytes": _num_bytes(documents, contents),
        **_token_columns(documents, measuring.counting),
        **_text_columns(contents, chosen),
        **_word_columns(contents, chosen, measuring),
        "excerpt": _excerpts(documents, measuring.profile),
    }
    scores = _named_columns([document.scores for document in documents])
    labels = _named_columns([document.labels for document in documents])
    schema = document_schema(scores, labels)
    return pa.Table.from_pydict(columns | scores | labels, schema=schema)


def _hashes(
    documents: Sequence[Document], contents: Sequence[bytes]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float64]]:
    """Return 64 bits of identities and fingerprints, and a number from 0 to 1 of each document."""
    identities = [
        identity_of(document, content)
        for document, content in zip(documents, contents, strict=True)
    ]
    fingerprints = [
        fingerprint_of(document, identity)
        for document, identity in zip(documents, identities, strict=True)
    ]
    parts = np.frombuffer(
        bytes.fromhex("".join(identity[:_IDENTITY_DIGITS] for identity in identities)),
        dtype=[("identity", ">u8"), ("lot", ">u4")],
    )
    named = np.frombuffer(bytes.fromhex("".join(each[:16] for each in fingerprints)), ">u8")
    return parts["identity"].astype(np.uint64), named.astype(np.uint64), parts["lot"] / 2**32


def _num_bytes(documents: Sequence[Document], contents: Sequence[bytes]) -> list[int]:
    """Return the bytes of the contents, without what joins those of messages."""
    return [
        len(content) - max(len(document.messages) + len(document.rejected) - 1, 0)
        for document, content in zip(documents, contents, strict=True)
    ]


def _token_columns(
    documents: Sequence[Document], counting: Counting
) -> dict[str, list[int] | pa.Array]:
    texts = [counting.render(document) for document in documents]
    counts = [_num_tokens(documents, texts, counter) for counter in counting.counters]
    further = list(zip(*counts[1:], strict=True)) if counts[1:] else [None] * len(documents)
    return {"tokens": counts[0], "further_tokens": pa.array(further, pa.list_(pa.int64()))}


def _num_tokens(
    documents: Sequence[Document], texts: Sequence[str], counter: TokenCounter
) -> list[int]:
    """Return the tokens of each document; those that came as such tokens are not made anew."""
    counts = [
        len(document.tokens) + 1
        if document.tokens is not None and document.tokenizer == counter.digest
        else -1
        for document in documents
    ]
    missing = [place for place, count in enumerate(counts) if count < 0]
    found = counter.count_batch([texts[place] for place in missing]) if missing else []
    for place, count in zip(missing, found, strict=True):
        counts[place] = count
    return counts


def _text_columns(
    contents: Sequence[bytes], chosen: Sequence[int]
) -> dict[str, list[str | None] | list[float | None]]:
    languages: list[str | None] = [None] * len(contents)
    shares: list[float | None] = [None] * len(contents)
    for place in chosen:
        languages[place] = language.language_of(contents[place])
        shares[place] = compressibility.compressibility(contents[place])
    return {"language": languages, "compressibility": shares}


def _word_columns(
    contents: Sequence[bytes], chosen: Sequence[int], measuring: Measuring
) -> dict[str, pa.Array]:
    profile, count = measuring.profile, len(contents)
    shares = np.full(count, np.nan, np.float32)
    if profile.near_duplicates is None and profile.contamination is None:
        if chosen:
            few = fill_buffer([contents[place] for place in chosen])
            read = words.read_words(few.content, few.offsets)
            shares[chosen] = repetition.repetition(read, np.arange(len(chosen)))
        return {"repetition": pa.array(shares, from_pandas=True), **_nulls(count)}
    buffer = fill_buffer(contents)
    read = words.read_words(buffer.content, buffer.offsets)
    shares[chosen] = repetition.repetition(read, np.array(chosen, np.int64))
    columns = {"repetition": pa.array(shares, from_pandas=True), **_nulls(count)}
    if profile.near_duplicates is not None:
        columns["signature"] = signatures.signature_column(read)
    if profile.contamination is not None:
        columns["grams"] = grams.sampled_grams(read, profile.contamination)
        columns["protected"] = protected.protected_names(buffer, read, measuring.protected)
    return columns


def _nulls(count: int) -> dict[str, pa.Array]:
    return dict.fromkeys(("signature", "grams", "protected"), pa.nulls(count))


def _excerpts(documents: Sequence[Document], profile: ProfileRecipe) -> list[str | None]:
    """Return how each document begins, if any is kept; of all, as any may be."""
    if not profile.kept_documents:
        return [None] * len(documents)
    texts = ("\n".join(document.contents)[:_EXCERPT_CHARACTERS] for document in documents)
    return [_CONTROLS.sub(" ", text) for text in texts]


def _named_columns(
    pairs: Sequence[tuple[tuple[str, _Value], ...]],
) -> dict[str, list[_Value | None]]:
    """Return the values by name, with None where a document has none of it."""
    names = {name for each in pairs for name, _ in each}
    if not names:
        return {}
    values = [dict(each) for each in pairs]
    return {name: [each.get(name) for each in values] for name in sorted(names)}
