"""Fakes that the corpus tests share: documents, an inventory over them, a tokenizer file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from mixopt.catalog.documents import SPLITS, Document, Split
from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.catalog.recipe import Schema
from mixopt.corpus.ingest import ingest_inventory
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer, Tokenizer
from mixopt.recipes.digest import digest

BYTES = ByteTokenizer()
Content = Mapping[str, Sequence[Document]]


def texts(*contents: str) -> list[Document]:
    return [Document(text=content) for content in contents]


def exchange(question: str, answer: str) -> Document:
    return Document(messages=(("user", question), ("assistant", answer)))


def inventory(content: Content) -> Inventory:
    return Inventory(
        catalog="fake",
        tokenizer="bytes",
        content_hash=digest(sorted(content)),
        domains=tuple(_supply(name, documents) for name, documents in content.items()),
    )


def source(content: Content, name: str, split: Split) -> Iterable[Document]:
    """The first documents of each domain are for validation and test, one each."""
    documents = sorted(content[name], key=lambda document: document.identity)
    held_out = {"validation": documents[:1], "test": documents[1:2]}
    if split != "train":
        return held_out[split]
    return [document for document in content[name] if document not in documents[:2]]


def splits(content: Content, name: str) -> list[tuple[Split, Document]]:
    """Return all documents of a domain with their splits, which are mixed up."""
    found = [(split, document) for split in SPLITS for document in source(content, name, split)]
    return [pair for first in range(3) for pair in found[first::3]]


def store_of(
    content: Content, folder: Path, *, context: int = 31, tokenizer: Tokenizer = BYTES
) -> TokenStore:
    return ingest_inventory(
        inventory(content),
        lambda name: splits(content, name),
        folder,
        tokenizer=tokenizer,
        context=context,
        progress=lambda _domain, _count: None,
    )


def write_tokenizer(path: Path, *, end: str = "<|endoftext|>", size: int = 300) -> Path:
    """Train a small byte-level BPE and write it as a file of the tokenizers library."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = ["Q: what is 12 + 7?", "A: 19", "the question of the answer", "ünïcode"]
    tokenizer.train_from_iterator(lines * 5, trainer)
    tokenizer.save(str(path))
    return path


def _supply(name: str, documents: Sequence[Document]) -> DomainSupply:
    fingerprints = sorted(document.fingerprint for document in documents)
    schema: Schema = "text"
    if documents and documents[0].messages:
        schema = "preference" if documents[0].rejected else "conversation"
    return DomainSupply(
        name=name,
        provenance="synthetic",
        schema=schema,
        licence="CC0-1.0",
        supply_tokens=1,
        sample_tokens=1,
        documents=len(documents),
        num_bytes=sum(document.num_bytes for document in documents),
        content_hash=digest([fingerprints, list(SPLITS)]),
    )
