"""Ingestion: documents of a catalog into stored tokens, each domain once per content and tokenizer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from mixopt.catalog.documents import SPLITS, Document, Split
from mixopt.catalog.inventory import DomainSupply, Inventory, iterate_splits, read_inventory
from mixopt.corpus.layout import (
    FORMAT,
    RECORD,
    DomainRecord,
    SplitRecord,
    domain_key,
    read_record,
    stored_domains,
)
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import Tokenizer, load_tokenizer
from mixopt.corpus.writers import RowWriter, SplitWriter, TextWriter, write_synced
from mixopt.errors import CatalogError

Progress = Callable[[str, int], None]
DocumentSource = Callable[[str], Iterable[tuple[Split, Document]]]

_BATCH_BYTES = 1 << 20


def ingest(
    catalog_path: Path, folder: Path, *, tokenizer: Tokenizer, context: int, progress: Progress
) -> TokenStore:
    """Store the tokens of every domain of a catalog that are not stored yet, and open the store.

    Every file is read once. Preferences are left out: no proxy is trained on those of a catalog.

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
    source = partial(iterate_splits, catalog_path, load=load_tokenizer)
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
    """Do the work of `ingest` for documents from any source: domain -> (split, document) pairs."""
    for supply in stored_domains(inventory):
        if _is_stored(supply, folder, tokenizer, context):
            progress(supply.name, supply.documents)
            continue
        batches = _batches(source(supply.name), partial(progress, supply.name))
        try:
            _DomainWriter(supply, tokenizer, context).write(folder, batches)
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

    def write(self, folder: Path, batches: Iterable[tuple[Split, list[Document]]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self._key}.", dir=folder) as scratch:
            new = Path(scratch) / self._key  # inside, as the scratch folder is its owner's alone
            new.mkdir()
            with ExitStack() as stack:
                writers = {
                    split: stack.enter_context(closing(self._writer(new, split)))
                    for split in SPLITS
                }
                for split, documents in batches:
                    writers[split].add(documents)
                splits = {split: writers[split].finish() for split in SPLITS}
            write_synced(new / RECORD, self._record(splits).encode())
            self._put_in_place(new, folder / self._key)

    def _writer(self, folder: Path, split: Split) -> SplitWriter:
        if self._supply.schema == "text":
            return TextWriter(folder, split, self._tokenizer)
        return RowWriter(folder, split, self._tokenizer, self._context)

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
            schema_name="text" if self._supply.schema == "text" else "conversation",
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


def _batches(
    documents: Iterable[tuple[Split, Document]], progress: Callable[[int], None]
) -> Iterator[tuple[Split, list[Document]]]:
    """Group documents of a split to about a mebibyte, which tokenizers take at once."""
    waiting: dict[Split, list[Document]] = {split: [] for split in SPLITS}
    num_bytes = dict.fromkeys(SPLITS, 0)
    for split, document in documents:
        waiting[split].append(document)
        num_bytes[split] += document.num_bytes
        if num_bytes[split] >= _BATCH_BYTES:
            yield split, waiting[split]
            progress(len(waiting[split]))
            waiting[split], num_bytes[split] = [], 0
    for split, left in waiting.items():
        if left:
            yield split, left
            progress(len(left))
