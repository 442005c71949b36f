"""`mixopt corpus`: build, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.catalog.documents import SPLITS
from mixopt.catalog.inventory import read_inventory
from mixopt.cli import console
from mixopt.cli.paths import CatalogOption, JsonOption, corpus_folder, find_catalog
from mixopt.corpus.ingest import ingest, open_store
from mixopt.corpus.layout import stored_domains
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import load_tokenizer

_CONTEXT = 128

FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Corpus folder; by default beside the catalog.")
]
TokenizerOption = Annotated[
    str | None, typer.Option("--tokenizer", help="`bytes`, a tokenizer file or a hub name.")
]
ContextOption = Annotated[
    int, typer.Option("--context", min=2, help="Tokens per row of packed conversations.")
]


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command()(build)
    app.command()(show)
    parent.add_typer(app, name="corpus")


def build(
    catalog: CatalogOption = None,
    folder: FolderOption = None,
    tokenizer: TokenizerOption = None,
    context: ContextOption = _CONTEXT,
) -> None:
    """Tokenize the documents of a catalog but preferences; what is there already is kept."""
    path = find_catalog(catalog)
    store = build_store(path, corpus_folder(path, folder), tokenizer, context)
    console.show_text(f"{store.folder}: content {store.content_hash}")


def build_store(catalog: Path, folder: Path, tokenizer: str | None, context: int) -> TokenStore:
    """Tokenize what is missing, with a progress bar, and tell which conversations are left out.

    By default under the catalog's tokenizer.
    """
    inventory = read_inventory(catalog)
    loaded = load_tokenizer(tokenizer or inventory.tokenizer)
    total = sum(domain.documents for domain in stored_domains(inventory))
    with console.progress("corpus: documents", total) as advance:
        store = ingest(
            catalog,
            folder,
            tokenizer=loaded,
            context=context,
            progress=lambda _, count: advance(count),
        )
    for name in store.names:
        splits = [store.domain(name, split) for split in SPLITS]
        dropped = sum(held.dropped for held in splits)
        if dropped:
            total = dropped + sum(held.documents for held in splits)
            console.narrate(
                f"{name}: {dropped:,} of {total:,} conversations are left out: they have no answer, "
                f"or more than the {context:,} tokens of a row, which the context of a proxy decides"
            )
    return store


def show(
    catalog: CatalogOption = None,
    folder: FolderOption = None,
    tokenizer: TokenizerOption = None,
    context: ContextOption = _CONTEXT,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the tokens of every domain and split."""
    path = find_catalog(catalog)
    loaded = load_tokenizer(tokenizer or read_inventory(path).tokenizer)
    store = open_store(corpus_folder(path, folder), path, loaded, context)
    rows = [
        (name, split, held.num_tokens, held.num_bytes, held.documents, held.dropped)
        for name in store.names
        for split in SPLITS
        for held in [store.domain(name, split)]
    ]
    columns = ("domain", "split", "tokens", "bytes", "documents", "dropped")
    console.show_table(columns, rows, as_json=as_json, title=f"content {store.content_hash}")
