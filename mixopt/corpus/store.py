"""The store: the tokens of every domain, memory-mapped and read by sequence number."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from mixopt.catalog.documents import SPLITS, Split
from mixopt.catalog.inventory import Inventory
from mixopt.corpus.layout import DomainRecord, Part, SplitRecord, domain_key, file_name, read_record
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import NotFoundError
from mixopt.recipes.digest import digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Sequences of T+1 tokens: `[:, :-1]` is read and `[:, 1:]` predicted.

    Attributes:
        tokens: int64 [B, T+1].
        answers: bool [B, T+1], True where a token is a target of the loss; None for text, where
            every token is one.
        segments: int32 [B, T+1], the example within its row from 1, and 0 for padding; None for
            text, where a sequence is one piece.
    """

    tokens: NDArray[np.int64]
    answers: NDArray[np.bool_] | None = None
    segments: NDArray[np.int32] | None = None


class DomainTokens:
    """One split of one domain; its files are mapped when they are first read.

    Attributes:
        domain: name of the domain.
        split: `train`, `validation` or `test`.
        schema: `text`, any context length; or `conversation`, rows of the context of the ingest.
        num_tokens: tokens, end_of_text included and padding not.
        num_bytes: UTF-8 bytes of the text behind the tokens.
        documents: documents behind the tokens.
        dropped: conversations left out because they are longer than a row or have no answer.
    """

    def __init__(self, domain: str, split: Split, folder: Path, record: DomainRecord) -> None:
        counts: SplitRecord = record.splits[split]
        self.domain = domain
        self.split = split
        self.schema = record.schema_name
        self.num_tokens = counts.num_tokens
        self.num_bytes = counts.num_bytes
        self.documents = counts.documents
        self.dropped = counts.dropped
        self._num_rows = counts.num_rows
        self._context = record.context
        self._storage = record.storage_type
        self._folder = folder
        self._arrays: dict[Part, NDArray[Any]] = {}

    def num_sequences(self, context: int) -> int:
        """Return how many sequences of `context` inputs there are.

        Raises:
            ValueError: `context` is below 1, or not the one that conversations were packed for.
        """
        if context < 1 or context != (self._context or context):
            packed = f"packed for {self._context}" if self._context else "text"
            message = f"domain '{self.domain}' ({packed}) cannot be read at context {context}"
            raise ValueError(message)
        if self._context is not None:
            return self._num_rows
        return max(0, self.num_tokens - 1) // context

    def gather(self, ids: NDArray[np.int64], context: int) -> Batch:
        """Return sequences by number.

        Sequence i of a text is tokens[i*T : i*T + T + 1] of the split at context T, so the last
        token of one is the first of the next; of conversations it is packed row i.

        Args:
            ids: int64 [B], each in [0, num_sequences(context)), in any order.
            context: inputs per sequence, T.

        Raises:
            ValueError: an id is out of range, or the context cannot be read.
        """
        self._check(ids, self.num_sequences(context), context)
        if self._context is None:
            windows = self._windows(context)
            return Batch(tokens=windows[ids].astype(np.int64))
        return Batch(
            tokens=self._rows("tokens", self._storage)[ids].astype(np.int64),
            answers=self._rows("answers", np.bool_)[ids],
            segments=self._rows("segments", "<i4")[ids].astype(np.int32, copy=False),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the maps behind; another process opens its own."""
        return {**self.__dict__, "_arrays": {}}

    def _check(self, ids: NDArray[np.int64], count: int, context: int) -> None:
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            message = f"ids must be integers [B], got {ids.dtype} {list(ids.shape)}"
            raise ValueError(message)
        if ids.size and (ids.min() < 0 or ids.max() >= count):
            message = (
                f"ids {ids.min()}..{ids.max()} are outside the {count:,} sequences of domain"
                f" '{self.domain}' ({self.split}) at context {context}"
            )
            raise ValueError(message)

    def _windows(self, context: int) -> NDArray[Any]:
        """Return all sequences of a text as a view [num_sequences, T+1]; neighbours share a token."""
        tokens = self._map("tokens", self._storage)
        shape = (self.num_sequences(context), context + 1)
        strides = (context * tokens.itemsize, tokens.itemsize)
        return as_strided(tokens, shape, strides, writeable=False)

    def _rows(self, part: Part, dtype: DTypeLike) -> NDArray[Any]:
        assert self._context is not None
        return self._map(part, dtype).reshape(self._num_rows, self._context + 1)

    def _map(self, part: Part, dtype: DTypeLike) -> NDArray[Any]:
        if part not in self._arrays:
            path = self._folder / file_name(self.split, part)
            empty = path.stat().st_size == 0  # which cannot be mapped
            array = np.empty(0, dtype) if empty else np.memmap(path, dtype, mode="r")
            self._arrays[part] = array.view(np.ndarray)
        return self._arrays[part]


class TokenStore:
    """The tokens of all domains of a catalog under one tokenizer.

    It may be pickled: a process that receives it maps the files anew.

    Attributes:
        folder: where the domains lie, one folder per key.
        inventory: the catalog behind the store.
        tokenizer: what the tokens mean.
        context: inputs per row of packed conversations, in tokens.
        content_hash: names the content of all domains together with their names.
    """

    def __init__(
        self, folder: Path, inventory: Inventory, *, tokenizer: Tokenizer, context: int
    ) -> None:
        """Open a store whose domains are all there and whole.

        Raises:
            CatalogError: a domain is missing or damaged.
        """
        self.folder = folder
        self.inventory = inventory
        self.tokenizer = tokenizer
        self.context = context
        self._keys = {
            supply.name: domain_key(supply, tokenizer, context) for supply in inventory.domains
        }
        self._records = {name: read_record(folder / key, name) for name, key in self._keys.items()}
        self.content_hash = digest([tokenizer.digest, self._keys])
        self._domains: dict[tuple[str, Split], DomainTokens] = {}

    def domain(self, name: str, split: Split) -> DomainTokens:
        """Return one split of one domain.

        Raises:
            NotFoundError: there is no such domain or split.
        """
        if split not in SPLITS:
            what = f"no split '{split}'"
            raise NotFoundError(what, remedy=f"Splits: {', '.join(SPLITS)}.")
        if name not in self._keys:
            near = get_close_matches(name, self._keys, n=1)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            what = f"no domain '{name}' in the corpus {self.folder}"
            raise NotFoundError(
                what,
                remedy=f"{hint}Domains: {', '.join(sorted(self._keys)) or 'none'}.",
            )
        if (name, split) not in self._domains:
            folder = self.folder / self._keys[name]
            tokens = DomainTokens(name, split, folder, self._records[name])
            self._domains[name, split] = tokens
        return self._domains[name, split]
