"""Damaged and duplicated text: documents that a good mixture gives no weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from mixopt import seeds
from mixopt.catalog.documents import Document
from mixopt.catalog.made_sources import Damage, GarbledSource

_PIECE_CHARACTERS = 4000
_LINE_CHARACTERS = 80
_RANDOM_SHARE = 0.3
_PRINTABLE = np.array([chr(code) for code in range(33, 127)])


def garbled_documents(
    source: GarbledSource, seed: int, documents_of: Callable[[str], Iterator[Document]]
) -> Iterator[Document]:
    """Yield damaged copies of other domains' text, up to the source's limit.

    Args:
        source: which domains, which damages, how many copies and bytes.
        seed: of the damages.
        documents_of: reads a domain's documents.
    """
    for domain in source.domains:
        rng = seeds.generator(seed, "garble", domain)
        rest = source.limit_bytes / len(source.domains)
        for number, piece in enumerate(_pieces(documents_of(domain))):
            damage = source.damages[number % len(source.damages)]
            document = Document(text=damage_text(piece, damage, rng))
            for _ in range(source.copies):
                if rest <= 0:
                    break
                yield document
                rest -= document.num_bytes
            if rest <= 0:
                break


def damage_text(text: str, damage: Damage, rng: np.random.Generator) -> str:
    """Return a text after one kind of damage."""
    return _DAMAGES[damage](text, rng)


def _shuffle_words(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    return " ".join(words[place] for place in rng.permutation(len(words)))


def _shuffle_characters(text: str, rng: np.random.Generator) -> str:
    return "".join(text[place] for place in rng.permutation(len(text)))


def _random_bytes(text: str, rng: np.random.Generator) -> str:
    """Put random printable bytes in the place of three characters in ten."""
    characters = np.array(list(text))
    hit = rng.random(len(characters)) < _RANDOM_SHARE
    characters[hit] = rng.choice(_PRINTABLE, size=int(hit.sum()))
    return "".join(characters)


def _repeat_a_line(text: str, rng: np.random.Generator) -> str:
    """Fill the text's length with one of its lines, as templates of web pages do."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[rng.integers(len(lines))][:_LINE_CHARACTERS] + "\n"
    return line * max(1, len(text) // len(line))


_DAMAGES: Mapping[Damage, Callable[[str, np.random.Generator], str]] = MappingProxyType(
    {
        "shuffled_words": _shuffle_words,
        "shuffled_characters": _shuffle_characters,
        "random_bytes": _random_bytes,
        "boilerplate": _repeat_a_line,
    }
)


def _pieces(documents: Iterator[Document]) -> Iterator[str]:
    for document in documents:
        for start in range(0, len(document.text), _PIECE_CHARACTERS):
            piece = document.text[start : start + _PIECE_CHARACTERS]
            if piece.strip():
                yield piece
