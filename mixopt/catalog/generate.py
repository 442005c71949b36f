"""Documents made of task problems, and writing generated documents as shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mixopt import atomic, seeds
from mixopt.catalog.documents import Document
from mixopt.catalog.made_sources import Style, TasksSource
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.render import conversation, derivation, statement
from mixopt.tasks.sample import split_of

DIFFICULTY: Final = "difficulty"
"""The score of documents of problems, and the field of their shards that holds it."""

_PART_BYTES = 4_000_000
_PATIENCE = 100


def task_documents(
    source: TasksSource, seed: int, finish: Callable[[Document], Document] = lambda whole: whole
) -> Iterator[Document]:
    """Yield documents of problems until a bound of the source or the distinct problems run out.

    Only problems of the tasks' training split are written, so a catalog never holds a problem
    that a proxy is later tested on. Bounds count what `finish` makes of a document. Every document
    has the score `difficulty`.
    """
    problems = _mixed_problems(source, seed)
    rest = source.limit_bytes
    number = 0
    while block := _take(problems, source.problems_per_document):
        document = finish(_document(block, source))
        yield document
        number += 1
        rest = None if rest is None else rest - document.num_bytes
        if number == source.documents or (rest is not None and rest <= 0):
            return


def write_shards(documents: Iterator[Document], folder: Path, source: int) -> list[Path]:
    """Write the documents of a numbered source as JSON lines in parts of some megabytes.

    The names of the parts hold their content's hash: a catalog that is built anew never changes
    a shard of the one it replaces.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write_part(folder, f"part-{source}-{number:03d}", content)
        for number, content in enumerate(_parts(map(_line, documents)))
    ]


def _mixed_problems(source: TasksSource, seed: int) -> Iterator[tuple[Problem, int]]:
    """Yield problems of all families with their levels in random order, evenly while they last."""
    seen: set[str] | None = set() if source.distinct else None
    streams = [
        (_training_problems(family, level, seed, seen), level)
        for family in source.families
        for level in source.levels.get(family) or (_middle(FAMILIES[family].levels),)
    ]
    rng = seeds.generator(seed, "order")
    while streams:
        number = int(rng.integers(len(streams)))
        problems, level = streams[number]
        problem = next(problems, None)
        if problem is None:
            del streams[number]
        else:
            yield problem, level


def _training_problems(
    family: str, level: int, seed: int, seen: set[str] | None
) -> Iterator[Problem]:
    """Yield training problems for ever; with `seen`, new ones until few are left.

    The last of the new ones would cost the most draws.
    """
    kind = FAMILIES[family]
    rng = seeds.generator(seed, "problems", family, level)
    misses = 0
    while misses < _PATIENCE:
        problem = kind.generate(rng, level)
        misses += 1
        if split_of(problem) != "train" or (seen is not None and problem.identity in seen):
            continue
        if seen is not None:
            seen.add(problem.identity)
        misses = 0
        yield problem


def _middle(levels: range) -> int:
    return levels[len(levels) // 2]


def _take(problems: Iterator[tuple[Problem, int]], count: int) -> list[tuple[Problem, int]]:
    return list(islice(problems, count))


def _document(block: list[tuple[Problem, int]], source: TasksSource) -> Document:
    difficulties = [
        source.difficulties.get(problem.family, {}).get(level, float(level))
        for problem, level in block
    ]
    scores = ((DIFFICULTY, sum(difficulties) / len(difficulties)),)
    if source.style == "conversation":
        turns = tuple(turn for problem, _ in block for turn in conversation(problem))
        return Document(messages=turns, scores=scores)
    write = _WRITERS[source.style]
    text = "".join(f"{write(problem)}\n" for problem, _ in block)
    return Document(text=text, scores=scores)


_WRITERS: Mapping[Style, Callable[[Problem], str]] = MappingProxyType(
    {"statement": statement, "derivation": derivation}
)


def _line(document: Document) -> bytes:
    record: dict[str, object] = {"text": document.text}
    if document.messages:
        messages = [{"role": role, "content": content} for role, content in document.messages]
        record = {"messages": messages}
    record |= dict(document.scores)
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _parts(lines: Iterator[bytes]) -> Iterator[bytes]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= _PART_BYTES:
            yield b"".join(part)
            part, size = [], 0
    if part:
        yield b"".join(part)


def _write_part(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name}.{hashlib.sha256(content).hexdigest()[:12]}.jsonl"
    if not path.is_file() or path.stat().st_size != len(content):
        atomic.write(path, content)
    return path
