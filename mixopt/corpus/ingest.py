"""Ingestion: documents of a catalog into stored tokens, each domain once per content and tokenizer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.documents import SPLITS, Document, Split
from mixopt.catalog.inventory import DomainSupply, Inventory, iterate_documents, read_inventory
from mixopt.corpus.conversations import Example, encode_conversations, render_document
from mixopt.corpus.layout import (
    FORMAT,
    RECORD,
    DomainRecord,
    SplitRecord,
    domain_key,
    file_name,
    read_record,
    score_part,
)
from mixopt.corpus.packing import pack
from mixopt.corpus.scores import LENGTH, DocumentScores, row_means
from mixopt.corpus.spool import ContentOrder, Spool
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import CatalogError

Progress = Callable[[str, int], None]
Batches = Iterator[list[Document]]
DocumentSource = Callable[[str, Split], Iterable[Document]]

_BATCH_BYTES = 1 << 20


def ingest(
    catalog_path: Path, folder: Path, *, tokenizer: Tokenizer, context: int, progress: Progress
) -> TokenStore:
    """Store the tokens of every domain of a catalog that are not stored yet, and open the store.

    Args:
        catalog_path: the built catalog.
        folder: where stores lie; domains of other catalogs and tokenizers may lie there too.
        tokenizer: turns text into tokens.
        context: inputs per packed row of conversations, in tokens.
        progress: called with a domain and how many more of its documents are done.

    Raises:
        CatalogError: a document cannot be read, or the store cannot be written.
    """
    inventory = read_inventory(catalog_path)
    source = partial(iterate_documents, catalog_path)
    return ingest_inventory(
        inventory, source, folder, tokenizer=tokenizer, context=context, progress=progress
    )


def ingest_inventory(
    inventory: Inventory,
    source: DocumentSource,
    folder: Path,
    *,
    tokenizer: Tokenizer,
    context: int,
    progress: Progress,
) -> TokenStore:
    """Do the work of `ingest` for documents from any source: (domain, split) -> documents."""
    for supply in inventory.domains:
        if _is_stored(supply, folder, tokenizer, context):
            progress(supply.name, supply.documents)
            continue
        read = partial(_batches, supply.name, source, progress)
        try:
            _DomainWriter(supply, tokenizer, context).write(folder, read)
        except OSError as error:
            what = f"the corpus of domain '{supply.name}' cannot be written to {folder}"
            raise CatalogError(
                what,
                why=str(error),
                remedy="Free disk space or choose another folder, and run it again.",
            ) from error
    return TokenStore(folder, inventory, tokenizer=tokenizer, context=context)


def open_store(folder: Path, catalog_path: Path, tokenizer: Tokenizer, context: int) -> TokenStore:
    """Open the stored tokens of a catalog.

    Raises:
        CatalogError: a domain is missing or damaged.
    """
    return TokenStore(folder, read_inventory(catalog_path), tokenizer=tokenizer, context=context)


class _DomainWriter:
    """Writes one domain: into a temporary folder beside its place, which is then renamed."""

    def __init__(self, supply: DomainSupply, tokenizer: Tokenizer, context: int) -> None:
        self._supply = supply
        self._tokenizer = tokenizer
        self._context = context
        self._key = domain_key(supply, tokenizer, context)

    def write(self, folder: Path, read: Callable[[Split], Batches]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_split = self._write_text if self._supply.schema == "text" else self._write_rows
        with tempfile.TemporaryDirectory(prefix=f".{self._key}.", dir=folder) as scratch:
            new = Path(scratch) / self._key  # inside, as the scratch folder is its owner's alone
            new.mkdir()
            splits = {split: write_split(new, split, read(split)) for split in SPLITS}
            _write_synced(new / RECORD, self._record(splits).encode())
            self._put_in_place(new, folder / self._key)

    def _write_text(self, folder: Path, split: Split, batches: Batches) -> SplitRecord:
        order, end = ContentOrder(), np.array([self._tokenizer.end_of_text], np.uint32)
        path, scores = folder / file_name(split, "tokens"), DocumentScores()
        count = num_bytes = 0
        with Spool(folder / "spool.bin", self._tokenizer.storage_type) as spool:
            for batch in batches:
                texts = [render_document(document) for document in batch]
                encoded = self._tokenizer.encode_batch(texts)
                for document, text, tokens in zip(batch, texts, encoded, strict=True):
                    spool.add(order.key(document.identity), np.concatenate((tokens, end)))
                    scores.add(document, text)
                count += len(batch)
                num_bytes += sum(len(text.encode()) for text in texts)
            with path.open("wb") as file:
                places, offsets = spool.write_sorted(file)
                _sync(file)
        columns = scores.columns(places)
        arrays = {"documents": offsets.astype("<i8"), **_score_arrays(columns)}
        return SplitRecord(
            documents=count,
            dropped=0,
            num_tokens=int(offsets[-1]),
            num_bytes=num_bytes,
            num_rows=0,
            scores=tuple(columns),
            files={path.name: path.stat().st_size, **_write_arrays(folder, split, arrays)},
        )

    def _write_rows(self, folder: Path, split: Split, batches: Batches) -> SplitRecord:
        examples, scores, dropped = self._examples(batches)
        packed = pack(examples, row_length=self._context + 1, padding=self._tokenizer.end_of_text)
        lengths = np.array([len(example.tokens) for example in examples], np.int64)
        scores |= {LENGTH: lengths.astype(np.float32)}
        columns = {
            name: row_means(packed.rows, lengths, column).astype(np.float32)
            for name, column in scores.items()
        }
        arrays: dict[str, NDArray[np.generic]] = {
            "tokens": packed.tokens.astype(self._tokenizer.storage_type),
            "answers": packed.answers,
            "segments": packed.segments.astype("<i4", copy=False),
            **_score_arrays(columns),
        }
        return SplitRecord(
            documents=len(examples),
            dropped=dropped,
            num_tokens=int(lengths.sum()),
            num_bytes=sum(example.num_bytes for example in examples),
            num_rows=len(packed.tokens),
            scores=tuple(columns),
            files=_write_arrays(folder, split, arrays),
        )

    def _examples(
        self, batches: Batches
    ) -> tuple[list[Example], dict[str, NDArray[np.float32]], int]:
        """Return the examples that fit in a row in content order, their scores, and how many do not."""
        order, scores, dropped = ContentOrder(), DocumentScores(), 0
        keys: list[str] = []
        kept: list[Example] = []
        for batch in batches:
            messages = [document.messages for document in batch]
            examples = encode_conversations(messages, self._tokenizer)
            for document, example in zip(batch, examples, strict=True):
                if example is None or len(example.tokens) > self._context + 1:
                    dropped += 1
                else:
                    keys.append(order.key(document.identity))
                    kept.append(example)
                    scores.add(document, render_document(document))
        places = sorted(range(len(keys)), key=keys.__getitem__)
        columns = scores.columns(np.asarray(places, np.int64))
        return [kept[place] for place in places], columns, dropped

    def _put_in_place(self, new: Path, place: Path) -> None:
        """Rename the new folder to its place, unless another process was first."""
        if place.exists():
            if _is_stored(self._supply, place.parent, self._tokenizer, self._context):
                return
            place.rename(new.parent / "damaged")
        new.rename(place)

    def _record(self, splits: dict[Split, SplitRecord]) -> str:
        record = DomainRecord(
            format=FORMAT,
            key=self._key,
            domain=self._supply.name,
            schema_name=self._supply.schema,
            tokenizer=self._tokenizer.name,
            tokenizer_digest=self._tokenizer.digest,
            context=self._context if self._supply.schema == "conversation" else None,
            storage=self._tokenizer.storage_type.str,
            end_of_text=self._tokenizer.end_of_text,
            splits=splits,
        )
        return record.model_dump_json(indent=2) + "\n"


def _is_stored(supply: DomainSupply, folder: Path, tokenizer: Tokenizer, context: int) -> bool:
    try:
        read_record(folder / domain_key(supply, tokenizer, context), supply.name)
    except CatalogError:
        return False
    return True


def _batches(domain: str, source: DocumentSource, progress: Progress, split: Split) -> Batches:
    """Group documents to about a mebibyte, which tokenizers take at once; report each as done."""
    batch: list[Document] = []
    num_bytes = 0
    for document in source(domain, split):
        batch.append(document)
        num_bytes += document.num_bytes
        if num_bytes >= _BATCH_BYTES:
            yield batch
            progress(domain, len(batch))
            batch, num_bytes = [], 0
    if batch:
        yield batch
        progress(domain, len(batch))


def _score_arrays(columns: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    return {score_part(name): column.astype("<f4", copy=False) for name, column in columns.items()}


def _write_arrays(
    folder: Path, split: Split, arrays: dict[str, NDArray[np.generic]]
) -> dict[str, int]:
    """Write one file per array; return the bytes of each by name."""
    for part, array in arrays.items():
        _write_synced(folder / file_name(split, part), array.data)
    return {file_name(split, part): array.nbytes for part, array in arrays.items()}


def _write_synced(path: Path, content: bytes | memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
