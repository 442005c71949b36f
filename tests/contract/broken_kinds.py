"""What a kind of broken or odd input is, and the good documents that lie beside the broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mixopt.catalog.documents import Document
from mixopt.catalog.recipe import Schema

FIRST: Final = "The first good document."
LAST: Final = "The last good document: ä."
BOTH: Final = (FIRST, LAST)
ANSWER: Final = "Yes."


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of input, and what must become of it.

    Attributes:
        name: what it is called; a valid name of a domain.
        reader: what reads it.
        files: contents by name.
        make: makes what bytes cannot say: links, pipes, folders, outlandish names.
        taken: contents of the documents that must be taken, in any order of files.
        filtered: documents that the source leaves out.
        reason: words that the reasons of its broken pieces have; none where it is odd but whole.
        pieces: broken pieces, where there is a reason.
        schema: what its documents are.
        options: of the source.
    """

    name: str
    reader: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    make: Callable[[Path], None] | None = None
    taken: tuple[str, ...] = ()
    filtered: int = 0
    reason: str = ""
    pieces: int = 1
    schema: Schema = "text"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Pieces that must be set aside."""
        return self.pieces if self.reason else 0

    @property
    def read(self) -> int:
        """Pieces that must have been met."""
        return len(self.taken) + self.filtered + self.quarantined

    def write(self, folder: Path) -> None:
        """Write it into a new folder."""
        folder.mkdir()
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if self.make is not None:
            self.make(folder)

    def source(self, folder: Path) -> dict[str, Any]:
        """Return the source of a recipe that reads it."""
        return {"reader": self.reader, "path": str(folder), **self.options}


def line(**record: object) -> bytes:
    """Return a record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def chat(question: object, answer: object) -> list[dict[str, object]]:
    """Return the messages of a short conversation."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def content_of(document: Document) -> str:
    """Return all that a document holds, as one text."""
    return " | ".join(document.contents)
