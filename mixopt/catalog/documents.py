"""A document, the hash that names its content, and the split that this hash puts it in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.recipe import SplitShares

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Messages = tuple[tuple[str, str], ...]

_HASH_DIGITS = 13  # 52 bits: exact in a float


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One unit of a domain: a text, the messages of one conversation, or two answers to compare.

    Attributes:
        text: the text; empty for a conversation.
        messages: (role, content) pairs in order; empty for a text. Of a preference: the
            conversation with the answer that was chosen.
        rejected: of a preference: the messages that stand in the place of those after the common
            beginning of `messages` in the answer that was rejected; else empty.
        scores: (name, value) pairs sorted by name, which its source gives; no part of what it is.
        labels: (name, value) pairs sorted by name, which its source gives; no part of what it is.
        tokens: ids under its source's own tokenizer, end_of_text not among them, where the source
            holds tokens; `text` is then what they decode to.
        tokenizer: digest of the tokenizer that made `tokens`.
    """

    text: str = ""
    messages: Messages = ()
    rejected: Messages = ()
    scores: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    labels: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    tokens: NDArray[np.unsignedinteger] | None = field(default=None, compare=False, repr=False)
    tokenizer: str = field(default="", compare=False)

    @property
    def identity(self) -> str:
        """SHA-256 of the content, in hexadecimal: equal for equal documents, wherever they lie."""
        return identity_of(self, self.text.encode())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of content, scores and tokens, in hexadecimal; see `fingerprint_of`."""
        return fingerprint_of(self, self.identity)

    @property
    def contents(self) -> tuple[str, ...]:
        """The text, or the contents of all messages, those of a rejected answer last."""
        if not self.messages:
            return (self.text,)
        return tuple(content for _, content in (*self.messages, *self.rejected))

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the contents."""
        return sum(_num_bytes(content) for content in self.contents)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to learn from: no character but white space."""
        return not any(content and not content.isspace() for content in self.contents)


def identity_of(document: Document, text: bytes) -> str:
    """Return the identity of a document whose text was encoded in UTF-8 before.

    Args:
        document: the document.
        text: its text; empty for a conversation or preference.
    """
    if document.rejected:
        listed = _listed((document.messages, document.rejected))
        return hashlib.sha256(b"preference\0" + listed.encode()).hexdigest()
    if document.messages:
        return hashlib.sha256(b"conversation\0" + _listed(document.messages).encode()).hexdigest()
    return hashlib.sha256(b"text\0" + text).hexdigest()


def fingerprint_of(document: Document, identity: str) -> str:
    """Return the fingerprint of a document of this identity.

    What a shard or domain holds is named by these, as an order by scores follows from them too, and
    so does what is stored of documents that came as tokens. It is the identity where there are
    neither scores nor tokens.
    """
    if not document.scores and document.tokens is None:
        return identity
    content = hashlib.sha256(f"{identity}{_listed(document.scores)}".encode())
    if document.tokens is not None:
        content.update(document.tokenizer.encode())
        content.update(document.tokens.astype("<u4").tobytes())
    return content.hexdigest()


def split_of(identity: str, shares: SplitShares) -> Split:
    """Return the split of the document with this identity.

    The identity alone decides, so a document never changes sides when files are added, renamed or
    read in another order, and duplicates of one document are all on the same side.
    """
    position = int(identity[:_HASH_DIGITS], 16) / 16**_HASH_DIGITS
    if position < shares.test:
        return "test"
    if position < shares.test + shares.validation:
        return "validation"
    return "train"


def _listed(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _num_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
