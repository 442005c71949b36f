"""A document, the hash that names its content, and the split that this hash puts it in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from mixopt.catalog.recipe import SplitShares

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_HASH_DIGITS = 13  # 52 bits: exact in a float


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One unit of a domain: a text, or the messages of one conversation.

    Attributes:
        text: the text; empty for a conversation.
        messages: (role, content) pairs in order; empty for a text.
        scores: (name, value) pairs sorted by name, which its source gives; no part of what it is.
    """

    text: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, float], ...] = field(default=(), compare=False)

    @property
    def identity(self) -> str:
        """SHA-256 of the content, in hexadecimal: equal for equal documents, wherever they lie."""
        content = self.text
        if self.messages:
            content = json.dumps(self.messages, ensure_ascii=False, separators=(",", ":"))
        kind = b"conversation\0" if self.messages else b"text\0"
        return hashlib.sha256(kind + content.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of content and scores, in hexadecimal; the identity where there are no scores.

        What a shard or domain holds is named by these, as an order by scores follows from them too.
        """
        if not self.scores:
            return self.identity
        listed = json.dumps(self.scores, separators=(",", ":"))
        return hashlib.sha256(f"{self.identity}{listed}".encode()).hexdigest()

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the text, or of the contents of all messages."""
        return len(self.text.encode()) + sum(len(content.encode()) for _, content in self.messages)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to learn from: no character but white space."""
        return not self.text.strip() and not any(content.strip() for _, content in self.messages)


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
