"""Stores of measurements made up row by row, and catalogs assembled from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mixopt.catalog.building.assemble import assemble
from mixopt.catalog.building.assembly import Assembly, Collection, SourceFiles, Tokenizer
from mixopt.catalog.locations import File
from mixopt.catalog.recipe import CatalogRecipe, CollectionRecipe, DomainRecipe
from mixopt.catalog.sources import JsonlSource
from mixopt.database.connection import Database

Row = dict[str, Any]

_OPTIONAL = {
    "further_tokens": pa.list_(pa.int64()),
    "language": pa.string(),
    "compressibility": pa.float32(),
    "repetition": pa.float32(),
    "signature": pa.binary(),
    "grams": pa.list_(pa.uint64()),
    "protected": pa.list_(pa.string()),
    "excerpt": pa.string(),
}
_IDENTITIES = {"train": 1.0, "validation": 0.045, "test": 0.015}  # with shares of 0.03 each
TOKENIZER = Tokenizer(name="words", digest="words-1")


def identity(name: object, split: str = "train") -> int:
    """A 64-bit identity that the default shares put on a side."""
    low = int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:7], "big")
    if split == "train":
        return (1 << 63) | low
    return int(_IDENTITIES[split] * 2**64) & ~0xFFFFFFFFFF | low & 0xFFFFFFFFFF


def row(name: object, tokens: int = 10, *, split: str = "train", **further: object) -> Row:
    """What is measured of one document; documents of one name and split are equal."""
    number = identity(name, split)
    return {
        "identity": number,
        "fingerprint": number,
        "bytes": 4 * tokens,
        "tokens": tokens,
        **further,
    }


def write_store(path: Path, files: Mapping[str, Sequence[Row]]) -> dict[str, tuple[int, File]]:
    """Write a store of measurements; return the files by name, as assemblies list them."""
    Database(path, "write", package="mixopt.catalog.building.sql").close()
    listed = {
        name: (number, File(location=f"/{name}", num_bytes=7, modified="1"))
        for number, name in enumerate(files, start=1)
    }
    taken = {listed[name][0]: len(rows) for name, rows in files.items()}
    documents = [
        {"file": listed[name][0], "document": place, **each}
        for name, rows in files.items()
        for place, each in enumerate(rows)
    ]
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "insert into files select unnest($1), unnest($2), 7, '1', null, 'r', 'm', "
            "unnest($3), 0, 0, unnest($3)",
            [list(taken), [f"/{name}" for name in files], list(taken.values())],
        )
        _insert(connection, documents)
    return listed


def _insert(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for each in rows for name in each))
    for name in names:
        kind = "varchar" if isinstance(rows[0].get(name), str) else "double"
        connection.execute(f"alter table documents add column if not exists {name} {kind}")
    columns = {
        name: pa.array([each.get(name) for each in rows], _kind(name, rows)) for name in names
    }
    connection.register("made", pa.table(columns))
    connection.execute("insert into documents by name select * from made")
    connection.unregister("made")


def _kind(name: str, rows: Sequence[Row]) -> pa.DataType:
    if name in _OPTIONAL:
        return _OPTIONAL[name]
    if name in ("identity", "fingerprint"):
        return pa.uint64()
    return pa.array([each.get(name) for each in rows]).type


def domain(name: str, **options: object) -> dict[str, object]:
    """The recipe of a domain: with one source, unless it says `from`."""
    made = {} if "from" in options else {"sources": [source()]}
    return {"name": name, "provenance": "organic", **made, **options}


def source(**options: object) -> dict[str, object]:
    return {"reader": "jsonl", "path": "x", **options}


class Fake:
    """A folder with a store, and catalogs assembled from it.

    Args:
        folder: where they lie.
        files: the documents of each file; the part of its name before a slash is the domain or
            collection that it belongs to, `all` belongs to every one.
    """

    def __init__(self, folder: Path, files: Mapping[str, Sequence[Row]]) -> None:
        self.folder = folder
        self.store = folder / "fake.measured.duckdb"
        self.path = folder / "fake.duckdb"
        self.notes: tuple[str, ...] = ()
        self.further: tuple[str, ...] = ()
        self.proxy_scores: dict[str, Path] = {}
        self._files = write_store(self.store, files)

    def assemble(self, *domains: dict[str, object], **options: object) -> Path:
        """Assemble a catalog of these domains in place of the one before."""
        data = {"name": "fake", "domain": list(domains), **options}
        recipe = CatalogRecipe.model_validate(data)
        new = self.folder / "new.duckdb"
        new.unlink(missing_ok=True)
        self.notes = assemble(self.store, new, self._assembly(recipe))
        new.replace(self.path)
        return self.path

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def _assembly(self, recipe: CatalogRecipe) -> Assembly:
        owners: list[CollectionRecipe | DomainRecipe] = [*recipe.collection]
        owners += [each for each in recipe.domain if each.sources]
        collections = tuple(
            Collection(
                name=owner.name,
                schema=owner.document_schema,
                sources=(SourceFiles(source=_first(owner), files=self._of(owner.name)),),
            )
            for owner in owners
        )
        return Assembly(
            recipe=recipe,
            recipe_file=Path("fake.toml"),
            tokenizers=(TOKENIZER, *(Tokenizer(name=name, digest=name) for name in self.further)),
            collections=collections,
            proxy_scores=self.proxy_scores,
            previous=self.path,
        )

    def _of(self, owner: str) -> tuple[tuple[int, File], ...]:
        return tuple(
            file for name, file in self._files.items() if name.partition("/")[0] in (owner, "all")
        )


def _first(owner: CollectionRecipe | DomainRecipe) -> JsonlSource:
    (found,) = owner.sources
    assert isinstance(found, JsonlSource)
    return found
