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
from mixopt.corpus.layout import (
    DomainRecord,
    Packing,
    SplitRecord,
    domain_key,
    file_name,
    read_record,
    score_part,
    stored_domains,
    whole_name,
)
from mixopt.corpus.scores import LENGTH, window_means
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.corpus.whole import WholeRows, read_whole
from mixopt.errors import NotFoundError
from mixopt.recipes.digest import digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Sequences of T+1 tokens: `[:, :-1]` is read and `[:, 1:]` predicted.

    Attributes:
        tokens: int64 [B, T+1].
        answers: bool [B, T+1], True where a token is a target of the loss; None for a stream of
            text, where every token is one.
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
        score_names: the scores that sequences may be ordered by.
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
        self.score_names = tuple(sorted({LENGTH, *record.scores}))
        self._num_rows = counts.num_rows
        self._context = record.context
        self._storage = record.storage_type
        self._end_of_text = record.end_of_text
        self._folder = folder
        self._arrays: dict[str, NDArray[Any]] = {}
        self._whole: dict[int, WholeRows] = {}

    def num_sequences(self, context: int, packing: Packing = "stream") -> int:
        """Return how many sequences of `context` inputs there are.

        Raises:
            ValueError: `context` is below 1, or not the one that conversations were packed for;
                or conversations are asked for as whole documents, which they always are.
        """
        self._check_context(context, packing)
        if self._context is not None:
            return self._num_rows
        if packing == "whole":
            return self._rows_of_documents(context).num_rows
        return max(0, self.num_tokens - 1) // context

    def gather(self, ids: NDArray[np.int64], context: int, packing: Packing = "stream") -> Batch:
        """Return sequences by number.

        Sequence i of a text is tokens[i*T : i*T + T + 1] of the split at context T, so the last
        token of one is the first of the next; of whole documents it is row i, see `WholeRows`; of
        conversations it is packed row i.

        Args:
            ids: int64 [B], each in [0, num_sequences(context, packing)), in any order.
            context: inputs per sequence, T.
            packing: how text is cut into sequences.

        Raises:
            ValueError: an id is out of range, or the context cannot be read.
        """
        self._check(ids, self.num_sequences(context, packing), context)
        if self._context is None and packing == "whole":
            rows = self._rows_of_documents(context)
            tokens, answers = rows.gather(
                self._map("tokens", self._storage), ids, self._end_of_text
            )
            return Batch(tokens=tokens, answers=answers)
        if self._context is None:
            windows = self._windows(context)
            return Batch(tokens=windows[ids].astype(np.int64))
        return Batch(
            tokens=self._rows("tokens", self._storage)[ids].astype(np.int64),
            answers=self._rows("answers", np.bool_)[ids],
            segments=self._rows("segments", "<i4")[ids].astype(np.int32, copy=False),
        )

    def scores(self, name: str, context: int, packing: Packing = "stream") -> NDArray[np.float64]:
        """Return a score of every sequence: the token-weighted mean of its documents' scores.

        Args:
            name: `length` (tokens of the document), `compressibility` (packed bytes over bytes of
                its text), or what the catalog's sources name.
            context: inputs per sequence, T.
            packing: how text is cut into sequences.

        Returns:
            Float64 [num_sequences(context, packing)], finite.

        Raises:
            NotFoundError: not all documents of the domain have such a score; lists those they have.
            ValueError: the context cannot be read.
        """
        count = self.num_sequences(context, packing)
        if name not in self.score_names:
            what = f"domain '{self.domain}' has no score '{name}'"
            raise NotFoundError(
                what,
                why="A score is there if all documents of the domain have it.",
                remedy=f"Scores: {', '.join(self.score_names)}.",
            )
        if count == 0:
            return np.zeros(0)
        if self._context is not None:
            return self._map(score_part(name), "<f4").astype(np.float64)
        offsets = self._map("documents", "<i8")
        values = np.diff(offsets) if name == LENGTH else self._map(score_part(name), "<f4")
        if packing == "whole":
            return self._rows_of_documents(context).means(values.astype(np.float64))
        return window_means(offsets, values.astype(np.float64), context, count)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the maps behind; another process opens its own."""
        return {**self.__dict__, "_arrays": {}, "_whole": {}}

    def _check_context(self, context: int, packing: Packing) -> None:
        packed = self._context is not None
        if context < 1 or context != (self._context or context) or (packed and packing == "whole"):
            kind = f"packed for {self._context}" if packed else "text"
            message = f"domain '{self.domain}' ({kind}) cannot be read at context {context}"
            message += ", packing 'whole'" * (packing == "whole")
            raise ValueError(message)

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

    def _rows_of_documents(self, context: int) -> WholeRows:
        if context not in self._whole:
            path = self._folder / whole_name(self.split, context)
            self._whole[context] = read_whole(path, self._map("documents", "<i8"), context + 1)
        return self._whole[context]

    def _rows(self, part: str, dtype: DTypeLike) -> NDArray[Any]:
        assert self._context is not None
        return self._map(part, dtype).reshape(self._num_rows, self._context + 1)

    def _map(self, part: str, dtype: DTypeLike) -> NDArray[Any]:
        if part not in self._arrays:
            path = self._folder / file_name(self.split, part)
            empty = path.stat().st_size == 0  # which cannot be mapped
            array = np.empty(0, dtype) if empty else np.memmap(path, dtype, mode="r")
            self._arrays[part] = array.view(np.ndarray)
        return self._arrays[part]


class TokenStore:
    """The tokens of all domains of texts or conversations of a catalog under one tokenizer.

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
            supply.name: domain_key(supply, tokenizer, context)
            for supply in stored_domains(inventory)
        }
        self._records = {name: read_record(folder / key, name) for name, key in self._keys.items()}
        self.content_hash = digest([tokenizer.digest, self._keys])
        self._domains: dict[tuple[str, Split], DomainTokens] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the domains whose tokens are stored, in the catalog's order."""
        return tuple(self._keys)

    def domain(self, name: str, split: Split) -> DomainTokens:
        """Return one split of one domain.

        Raises:
            NotFoundError: there is no such split or domain, or it is one of preferences.
        """
        if split not in SPLITS:
            what = f"no split '{split}'"
            raise NotFoundError(what, remedy=f"Splits: {', '.join(SPLITS)}.")
        if name not in self._keys:
            raise self._not_found(name)
        if (name, split) not in self._domains:
            folder = self.folder / self._keys[name]
            tokens = DomainTokens(name, split, folder, self._records[name])
            self._domains[name, split] = tokens
        return self._domains[name, split]

    def _not_found(self, name: str) -> NotFoundError:
        near = get_close_matches(name, self._keys, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        left_out = name in self.inventory.names("preference")
        what = f"no domain '{name}' in the corpus {self.folder}"
        return NotFoundError(
            what,
            why="It holds preferences, which no stage trains on." if left_out else "",
            remedy=f"{hint}Domains: {', '.join(sorted(self._keys)) or 'none'}.",
        )
