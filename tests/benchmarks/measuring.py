"""How fast documents are measured on one core, and what each measurement costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pydoc_data.topics import topics

import numpy as np

from mixopt import seeds
from mixopt.catalog.counting import Counting
from mixopt.catalog.documents import Document
from mixopt.catalog.measuring import measure, protected
from mixopt.catalog.measuring.buffer import fill_buffer
from mixopt.catalog.measuring.compressibility import compressibility
from mixopt.catalog.measuring.grams import sampled_grams
from mixopt.catalog.measuring.language import language_of
from mixopt.catalog.measuring.repetition import repetition
from mixopt.catalog.measuring.signatures import signature_column
from mixopt.catalog.measuring.words import read_words
from mixopt.catalog.recipe import ProfileRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.tokenizer import load_tokenizer

DOCUMENTS = 2000
CHARACTERS = 4096
BATCH = 256
ROUNDS = 5


def main() -> None:
    """Print CPU seconds of the first calls, then MB/s and microseconds of each measurement."""
    start = time.process_time()
    measuring = _measuring(sample=1.0)
    print(f"protected sets: {time.process_time() - start:.2f} s")
    start = time.process_time()
    measure.measure_batch([Document(text="a word " * 20)], measuring, first=0)
    print(f"first batch: {time.process_time() - start:.2f} s")
    documents = english_documents(DOCUMENTS)
    num_bytes = sum(document.num_bytes for document in documents)
    for name, call in _measurements(documents, measuring).items():
        seconds = min(_time(call) for _ in range(ROUNDS))
        each = seconds / len(documents) * 1e6
        print(f"{name:28} {num_bytes / seconds / 1e6:8.0f} MB/s {each:8.2f} us a document")


def english_documents(count: int) -> list[Document]:
    """Return passages of the Python language's reference, in English prose with some code."""
    text = "\n\n".join(topics.values())
    rng = seeds.generator(0, "passages")
    starts = rng.integers(len(text) - CHARACTERS, size=count).tolist()
    return [Document(text=text[start : start + CHARACTERS]) for start in starts]


def _measuring(sample: float) -> measure.Measuring:
    counters = (load_tokenizer("bytes"),)
    return measure.Measuring(
        counting=Counting(counters=counters, render=render_document, load=load_tokenizer),
        profile=ProfileRecipe(sample=sample),
        protected=protected.protect({protected.TASKS: protected.tasks_texts()}, 13),
    )


def _measurements(
    documents: list[Document], measuring: measure.Measuring
) -> dict[str, Callable[[], object]]:
    texts = [document.text for document in documents]
    buffer = fill_buffer([text.encode() for text in texts])
    words = read_words(buffer.content, buffer.offsets)
    everyone = np.arange(len(documents))
    contents = [text.encode() for text in texts]
    some = _measuring(sample=0.05)
    return {
        "all, sample 1": lambda: _measure(documents, measuring),
        "all, sample 0.05": lambda: _measure(documents, some),
        "buffer": lambda: fill_buffer([text.encode() for text in texts]),
        "identity": lambda: [document.identity for document in documents],
        "tokens": lambda: measuring.counting.counters[0].count_batch(texts),
        "language": lambda: [language_of(content) for content in contents],
        "compressibility": lambda: [compressibility(content) for content in contents],
        "words": lambda: read_words(buffer.content, buffer.offsets),
        "repetition": lambda: repetition(words, everyone),
        "signature": lambda: signature_column(words),
        "grams": lambda: sampled_grams(words, 13),
        "protected": lambda: protected.protected_names(buffer, words, measuring.protected),
    }


def _measure(documents: list[Document], measuring: measure.Measuring) -> None:
    for first in range(0, len(documents), BATCH):
        measure.measure_batch(documents[first : first + BATCH], measuring, first=first)


def _time(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    main()
