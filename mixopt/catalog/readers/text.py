"""Plain texts, one document a file, packed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mixopt.catalog.documents import Document
from mixopt.catalog.readers.quarantine import BadRecordError, DamagedFileError, Quarantine
from mixopt.catalog.readers.records import checked_document
from mixopt.catalog.readers.unpack import unpacked_chunks

INCLUDE = ("*.txt", "*.txt.gz", "*.txt.zst", "*.md", "*.rst")


def read_text(path: Path, quarantine: Quarantine) -> Iterator[Document]:
    """Yield the file's text, with Unix line ends."""
    try:
        content = b"".join(unpacked_chunks(path))
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        yield checked_document(Document(text=text))
    except DamagedFileError as error:
        quarantine.add(path, "byte", error.offset, str(error))
    except UnicodeDecodeError as error:
        quarantine.add(path, "byte", error.start, f"not UTF-8: {error.reason}")
    except BadRecordError as error:
        quarantine.add(path, "file", 0, str(error))
