"""Documents of a catalog as one JSONL file per domain, the form that every trainer can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mixopt import atomic
from mixopt.catalog.documents import Document, Messages
from mixopt.errors import ExportError


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentFile:
    """One written file of documents.

    Attributes:
        domain: the domain that it holds.
        path: where it lies.
        rows: documents, one a line.
        num_bytes: size of the file.
        sha256: of the file, in hexadecimal.
    """

    domain: str
    path: Path
    rows: int
    num_bytes: int
    sha256: str


def write_documents(domain: str, documents: Iterable[Document], path: Path) -> DocumentFile:
    """Write documents as JSON lines with a `text` field, or `messages` for conversations.

    Preferences have `rejected` beside it: what stands in the place of the chosen answer.

    What the catalog's sources score stands beside it in `scores`, by name.

    They are streamed to a file beside `path`, which takes its name once it is whole.

    Raises:
        ExportError: the file cannot be written.
    """
    try:
        with atomic.replacing(path) as file:
            hashed = hashlib.sha256()
            rows = num_bytes = 0
            for document in documents:
                line = _line(document)
                file.write(line)
                hashed.update(line)
                rows, num_bytes = rows + 1, num_bytes + len(line)
    except OSError as error:
        message = f"cannot write the documents of '{domain}' to {path}"
        raise ExportError(message, why=str(error), remedy="Choose another folder.") from error
    return DocumentFile(
        domain=domain, path=path, rows=rows, num_bytes=num_bytes, sha256=hashed.hexdigest()
    )


def _line(document: Document) -> bytes:
    """Return one line; half a surrogate pair, which UTF-8 has no bytes for, becomes `?`."""
    row: dict[str, object] = {"text": document.text}
    if document.messages:
        row = {"messages": _listed(document.messages)}
    if document.rejected:
        row["rejected"] = _listed(document.rejected)
    if document.scores:
        row["scores"] = dict(document.scores)
    return (json.dumps(row, ensure_ascii=False) + "\n").encode(errors="replace")


def _listed(messages: Messages) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]
