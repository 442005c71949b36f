"""Reading one file as the catalog does, with its books checked."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake, QuarantineEntry
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import FileSource


def file_of(path: Path) -> File:
    """A file as it is listed, whether or not it is there."""
    size = path.stat().st_size if path.exists() else 0
    return File(location=str(path), num_bytes=size, modified="1")


def read_with_intake(
    path: Path, source: FileSource, schema: Schema = "text"
) -> tuple[list[Document], Intake]:
    intake = Intake()
    documents = list(read_documents(file_of(path), source, schema, intake, load=no_tokenizer))
    assert intake.taken == len(documents)
    assert intake.quarantined == len(intake.entries) or intake.quarantined > 1000
    return documents, intake


def read(
    path: Path, source: FileSource, schema: Schema = "text"
) -> tuple[list[Document], list[QuarantineEntry]]:
    documents, intake = read_with_intake(path, source, schema)
    return documents, intake.entries


def no_tokenizer(name: str) -> NoReturn:
    raise AssertionError(name)
