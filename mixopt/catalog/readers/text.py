"""Plain texts, one document a file, packed or not."""

from __future__ import annotations

from collections.abc import Iterator

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.readers.records import checked_document
from mixopt.catalog.readers.unpack import unpacked_whole

INCLUDE = ("*.txt", "*.txt.gz", "*.txt.zst", "*.md", "*.rst")


def read_text(file: File, intake: Intake) -> Iterator[Document]:
    """Yield the file's text, with Unix line ends; a file of bytes that are no text is set aside."""
    document = whole_text(file, intake)
    if document is not None:
        intake.accept()
        yield document


def whole_text(
    file: File, intake: Intake, labels: tuple[tuple[str, str], ...] = ()
) -> Document | None:
    """Return a whole file as one document, or nothing where it went into quarantine."""
    try:
        content = unpacked_whole(file)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        if "\0" in text:
            intake.quarantine("byte", content.index(b"\0"), "binary: it has null bytes")
            return None
        return checked_document(Document(text=text, labels=labels))
    except DamagedFileError as error:
        intake.quarantine("byte", error.offset, str(error))
    except UnicodeDecodeError as error:
        intake.quarantine("byte", error.start, f"not UTF-8: {error.reason}")
    except BadRecordError as error:
        intake.quarantine("file", 0, str(error))
    return None
