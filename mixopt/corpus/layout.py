"""The layout of a stored domain: its folder's key, its files, and the record that vouches for them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mixopt.catalog.documents import SPLITS, Split
from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.catalog.recipe import Schema
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import CatalogError
from mixopt.recipes.digest import digest

Packing = Literal["stream", "whole"]
"""`stream`: documents end to end, cut wherever a sequence ends. `whole`: no document is cut that fits
into a sequence."""

FORMAT = 3
STORED: tuple[Schema, ...] = ("text", "conversation")
"""Schemas of the domains that proxies are trained on; those of preferences are not among them."""

RECORD = "meta.json"
REMEDY = "Run `mixopt corpus build` to write it again."


class SplitRecord(BaseModel):
    """What one split of a stored domain holds.

    Attributes:
        documents: documents behind the tokens, the dropped ones not among them.
        dropped: conversations left out because they are longer than a row or have no answer.
        num_tokens: tokens, end_of_text included and padding not.
        num_bytes: UTF-8 bytes of the text behind the tokens.
        num_rows: packed rows; 0 for text.
        scores: what there is of every document, or of every packed row; none without documents.
        files: bytes of each file by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    documents: int
    dropped: int
    num_tokens: int
    num_bytes: int
    num_rows: int
    scores: tuple[str, ...]
    files: dict[str, int]


class DomainRecord(BaseModel):
    """The content of `meta.json`; written last, so a folder that has it is whole.

    Attributes:
        context: inputs of a packed row, in tokens; None for text, which is cut when it is read.
        storage: numpy name of the type of the stored token ids.
        end_of_text: id that ends every document, and fills rows up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    key: str
    domain: str
    schema_name: Literal["text", "conversation"]
    tokenizer: str
    tokenizer_digest: str
    context: int | None
    storage: str
    end_of_text: int
    splits: dict[Split, SplitRecord]

    @property
    def storage_type(self) -> np.dtype[np.unsignedinteger]:
        """The type of the stored token ids."""
        return np.dtype(self.storage)

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores that are stored for all documents of the domain, sorted."""
        found = [set(split.scores) for split in self.splits.values() if split.documents]
        return tuple(sorted(set.intersection(*found))) if found else ()


def stored_domains(inventory: Inventory) -> tuple[DomainSupply, ...]:
    """Return the domains whose tokens are stored, in the catalog's order."""
    return tuple(supply for supply in inventory.domains if supply.schema in STORED)


def domain_key(supply: DomainSupply, tokenizer: Tokenizer, context: int) -> str:
    """Return the name of the folder that holds a domain under a tokenizer.

    It depends on content only: equal documents share a folder, whatever their domains are called.
    """
    rows = context if supply.schema == "conversation" else None
    return digest([FORMAT, supply.content_hash, supply.schema, tokenizer.digest, rows])


def file_name(split: Split, part: str) -> str:
    """Return the file name of one array of one split.

    Text has `tokens` and `documents`, where each begins; conversations have `tokens`, `answers` and
    `segments`; both have a `score_part` for every score.
    """
    return f"{split}.{part}.bin"


def score_part(name: str) -> str:
    """Return what the array of a score is called: one number per document, or per packed row."""
    return f"score-{name}"


def whole_name(split: Split, context: int) -> str:
    """Return the name of the file that keeps which rows of whole documents there are."""
    return f"{split}.whole-{context}.npz"


def read_record(folder: Path, domain: str) -> DomainRecord:
    """Return the record of a stored domain, after checking that its files are as recorded.

    Raises:
        CatalogError: the domain was never stored here, or a file is missing or has another size.
    """
    record = _decode_record(folder / RECORD, domain)
    for name, size in ((n, s) for split in record.splits.values() for n, s in split.files.items()):
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            why = "It is missing." if found is None else f"It has {found:,} bytes, not {size:,}."
            raise _damaged(domain, path, why)
    return record


def _decode_record(path: Path, domain: str) -> DomainRecord:
    try:
        record = DomainRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        what = f"domain '{domain}' is not in the corpus"
        raise CatalogError(what, why=f"No such file: {path}", remedy=REMEDY) from None
    except (OSError, ValidationError) as error:
        raise _damaged(domain, path, str(error)) from None
    if (record.format, record.key) != (FORMAT, path.parent.name) or set(record.splits) != {*SPLITS}:
        raise _damaged(domain, path, f"It describes format {record.format}, key {record.key}.")
    return record


def _damaged(domain: str, path: Path, why: str) -> CatalogError:
    what = f"the corpus of domain '{domain}' is damaged: {path}"
    return CatalogError(what, why=why, remedy=REMEDY)
