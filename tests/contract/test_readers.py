"""What holds for every reader, whatever it is given: broken pieces are set aside, the rest is taken."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
import pytest
from broken_files import KINDS, read_kind
from broken_kinds import ANSWER, FIRST, Kind, chat, line

from mixopt import seeds
from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.recipe import CatalogRecipe, Schema
from mixopt.corpus.conversations import render_document
from mixopt.corpus.tokenizer import load_tokenizer

_MOST_SECONDS = 60
_MOST_BYTES = 2000
_FLIPS = 40
_CUTS = 80
_UNMARKED = ("code", "text", "tokens")  # formats in which a shorter document looks whole
_WHOLE = tuple(
    kind
    for kind in KINDS
    if len(kind.files) == 1 and not kind.reason and 0 < len(*kind.files.values()) < _MOST_BYTES
)

_SPARE: Mapping[Schema, Mapping[str, object]] = {
    "text": {"text": FIRST},
    "conversation": {"messages": chat(FIRST, ANSWER)},
    "preference": {"prompt": FIRST, "chosen": ANSWER, "rejected": "No."},
}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
each_whole_kind = pytest.mark.parametrize("kind", _WHOLE, ids=lambda kind: kind.name)


@pytest.fixture(autouse=True)
def no_waiting_for_ever() -> Iterator[None]:
    def stop(_: int, __: FrameType | None) -> None:
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_MOST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(quick_path: Path) -> Path:
    return quick_path / "kind"


@each_kind
def test_good_documents_are_taken(kind: Kind, folder: Path) -> None:
    kind.write(folder)
    taken, intake = read_kind(kind, folder)
    assert sorted(taken) == sorted(kind.taken)
    assert intake.taken == len(taken)


@each_kind
def test_broken_pieces_are_set_aside_with_a_reason(kind: Kind, folder: Path) -> None:
    kind.write(folder)
    _, intake = read_kind(kind, folder)
    reasons = [entry.reason for entry in intake.entries]
    assert (intake.read, intake.filtered) == (kind.read, kind.filtered)
    assert intake.quarantined == kind.quarantined, reasons
    assert len(reasons) == kind.quarantined
    assert kind.reason.casefold() in " / ".join(reasons).casefold()


@each_whole_kind
def test_a_file_that_is_cut_anywhere_gives_whole_documents_only(kind: Kind, folder: Path) -> None:
    kind.write(folder)
    ((name, content),) = kind.files.items()
    for length in range(0, len(content), 1 + len(content) // _CUTS):
        (folder / name).write_bytes(content[:length])
        taken, intake = read_kind(kind, folder)
        assert intake.taken == len(taken)
        assert kind.reader in _UNMARKED or set(taken) <= set(kind.taken), length


@each_whole_kind
def test_a_file_with_changed_bytes_never_stops_a_reader(kind: Kind, folder: Path) -> None:
    kind.write(folder)
    ((name, content),) = kind.files.items()
    random = seeds.generator(0, kind.name)
    for _ in range(_FLIPS):
        changed = bytearray(content)
        for place in random.integers(len(content), size=int(random.integers(1, 4))):
            changed[place] = random.integers(256)
        (folder / name).write_bytes(bytes(changed))
        taken, intake = read_kind(kind, folder)
        assert intake.taken == len(taken)


def test_names_of_kinds_differ() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.fixture(scope="module")
def catalog(quick_folders: Callable[[], Path]) -> Path:
    """One domain for every kind, each with one good document more, as none may be empty."""
    folder = quick_folders()
    for schema, record in _SPARE.items():
        (folder / f"{schema}.jsonl").write_bytes(line(**record))
    for kind in KINDS:
        kind.write(folder / kind.name)
    recipe = {"name": "broken", "domain": [_domain(kind, folder) for kind in KINDS]}
    tokenizer = load_tokenizer("bytes")
    build_catalog(
        CatalogRecipe.model_validate(recipe),
        folder / "catalog.duckdb",
        recipe_file=folder / "recipe.toml",
        counting=Counting(counters=(tokenizer,), render=render_document, load=load_tokenizer),
        progress=lambda _, __: None,
    )
    return folder / "catalog.duckdb"


def _domain(kind: Kind, folder: Path) -> dict[str, Any]:
    spare = {"reader": "jsonl", "path": str(folder / f"{kind.schema}.jsonl")}
    return {
        "name": kind.name,
        "provenance": "synthetic",
        "schema": kind.schema,
        "sources": [kind.source(folder / kind.name), spare],
    }


def _fetch(catalog: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_all_kinds_build_one_catalog_whose_totals_add_up(catalog: Path) -> None:
    rows = _fetch(
        catalog, 'select sum("read"), sum(taken), sum(filtered), sum(quarantined) from files'
    )
    taken = sum(len(kind.taken) for kind in KINDS) + len(KINDS)
    filtered = sum(kind.filtered for kind in KINDS)
    quarantined = sum(kind.quarantined for kind in KINDS)
    assert rows == [(taken + filtered + quarantined, taken, filtered, quarantined)]


def test_every_domain_has_its_good_documents(catalog: Path) -> None:
    rows = _fetch(catalog, "select name, documents, quarantined from domains order by position")
    assert rows == [(kind.name, len(kind.taken) + 1, kind.quarantined) for kind in KINDS]


def test_the_quarantine_tells_every_piece(catalog: Path) -> None:
    rows = dict(_fetch(catalog, "select collection, count(*) from quarantine group by collection"))
    assert rows == {kind.name: kind.quarantined for kind in KINDS if kind.quarantined}
