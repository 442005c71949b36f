from collections import Counter
from collections.abc import Iterator

import pytest
from catalog_fakes import sentence

from mixopt import seeds
from mixopt.catalog.documents import Document
from mixopt.catalog.garble import damage_text, garbled_documents
from mixopt.catalog.made_sources import GarbledSource

TEXT = "\n".join(sentence(number) for number in range(20))


def documents_of(domain: str) -> Iterator[Document]:
    return (Document(text=f"{domain} {sentence(number)}\n" * 100) for number in range(50))


def test_shuffling_keeps_the_words_or_the_characters() -> None:
    rng = seeds.generator(1, "test")
    words = damage_text(TEXT, "shuffled_words", rng)
    characters = damage_text(TEXT, "shuffled_characters", rng)
    assert words.split() != TEXT.split()
    assert Counter(words.split()) == Counter(TEXT.split())
    assert characters != TEXT
    assert Counter(characters) == Counter(TEXT)


def test_random_bytes_hit_three_characters_in_ten() -> None:
    damaged = damage_text(TEXT, "random_bytes", seeds.generator(1, "test"))
    changed = sum(old != new for old, new in zip(TEXT, damaged, strict=True)) / len(TEXT)
    assert changed == pytest.approx(0.3, abs=0.05)


def test_boilerplate_repeats_one_line_of_the_text() -> None:
    damaged = damage_text(TEXT, "boilerplate", seeds.generator(1, "test"))
    lines = set(damaged.splitlines())
    assert len(lines) == 1
    assert lines.pop() in TEXT
    assert len(damaged) == pytest.approx(len(TEXT), rel=0.1)


def test_garbled_documents_are_copied_and_bounded_and_repeatable() -> None:
    source = GarbledSource(reader="garbled", domains=("a", "b"), copies=3, limit_bytes=200_000)
    documents = list(garbled_documents(source, 5, documents_of))
    total = sum(document.num_bytes for document in documents)
    assert 200_000 <= total < 200_000 + 2 * 4000
    counts = Counter(document.text for document in documents)
    assert sum(count == 3 for count in counts.values()) >= len(counts) - 2
    assert documents == list(garbled_documents(source, 5, documents_of))
    assert documents != list(garbled_documents(source, 6, documents_of))
