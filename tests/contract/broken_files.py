"""All kinds of broken and odd input that readers must cope with, and reading one of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from broken_archives import BROKEN_ARCHIVES
from broken_chats import BROKEN_CHATS
from broken_kinds import Kind, content_of
from broken_lines import BROKEN_LINES
from broken_packings import BROKEN_PACKINGS
from broken_tables import BROKEN_TABLES
from broken_tokens import BROKEN_TOKENS
from broken_trees import BROKEN_TREES, CLOSED_TREES
from pydantic import TypeAdapter

from mixopt.catalog.listing import list_files
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import FileSource
from mixopt.corpus.tokenizer import load_tokenizer

_IS_ROOT = os.geteuid() == 0
_SOURCE: TypeAdapter[FileSource] = TypeAdapter(FileSource)

KINDS: Final[tuple[Kind, ...]] = (
    *BROKEN_LINES,
    *BROKEN_PACKINGS,
    *BROKEN_TABLES,
    *BROKEN_ARCHIVES,
    *BROKEN_TOKENS,
    *BROKEN_TREES,
    *BROKEN_CHATS,
    *(() if _IS_ROOT else CLOSED_TREES),
)


def read_kind(kind: Kind, folder: Path) -> tuple[list[str], Intake]:
    """List and read the files of a kind that was written into a folder.

    Returns:
        The contents of the documents that were taken, and the count of all that was met.
    """
    source = _SOURCE.validate_python(kind.source(folder))
    intake = Intake()
    contents = [
        content_of(document)
        for file in list_files(source, domain=kind.name, recipe_file=folder / "recipe.toml")
        for document in read_documents(file, source, kind.schema, intake, load=load_tokenizer)
    ]
    return contents, intake
