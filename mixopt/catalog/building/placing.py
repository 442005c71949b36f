"""Which documents stand in which shard and domain: files placed in order, conditions evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from mixopt.catalog.building.assembly import Assembly
from mixopt.catalog.recipe import DomainRecipe
from mixopt.database.workbench import Workbench, quote_identifier
from mixopt.errors import CatalogError

_SHOWN = 3


def place_files(bench: Workbench, assembly: Assembly) -> None:
    """Number the shards in the order of the assembly, and write what was found in their files."""
    sources, placed = _source_rows(assembly), _placed_rows(assembly)
    bench.insert("insert_sources", pa.Table.from_pylist(sources))
    bench.insert("insert_placed", placed)
    bench.execute("insert_files")
    bench.execute("insert_quarantine")


def take_documents(bench: Workbench, assembly: Assembly) -> None:
    """Decide which documents every domain has.

    Raises:
        CatalogError: a condition fails, two domains have documents in common, or a domain has no
            document to train on.
    """
    split = assembly.recipe.split
    domains = assembly.recipe.domain
    listed = [
        {"domain": number, "name": domain.name, "is_cut": bool(domain.collections)}
        for number, domain in enumerate(domains)
    ]
    bench.insert("insert_domain_list", pa.Table.from_pylist(listed))
    bench.execute("take_whole", test=split.test, held_out=split.test + split.validation)
    bench.run("create_candidates", {"columns": _named_columns(bench, assembly)})
    for number, domain in enumerate(domains):
        if domain.collections:
            _take_where(bench, assembly, number, domain)
    _check_overlaps(bench, assembly)
    _check_training(bench, assembly)
    bench.insert("insert_collections", pa.Table.from_pylist(_collection_rows(assembly)))


def known_columns(bench: Workbench, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the scores or labels that there is a column for."""
    held = bench.columns("temp", "measured")
    return tuple(name for name in names if name in held)


def _source_rows(assembly: Assembly) -> list[dict[str, object]]:
    parts = [(found.name, part.source) for found in assembly.collections for part in found.sources]
    return [
        {
            "source": number,
            "collection": name,
            "reader": source.reader,
            "options": source.model_dump_json(),
        }
        for number, (name, source) in enumerate(parts, start=1)
    ]


def _placed_rows(assembly: Assembly) -> pa.Table:
    """Return a row for every file, shards numbered from 1."""
    columns: dict[str, list[object]] = {name: [] for name in _PLACED.names}
    for row in _placings(assembly):
        for name, value in zip(_PLACED.names[1:], row, strict=True):
            columns[name].append(value)
    columns["shard"] = list(range(1, len(columns["file"]) + 1))
    return pa.table(columns, schema=_PLACED)


def _placings(assembly: Assembly) -> Iterator[tuple[object, ...]]:
    source = 0
    for collection in assembly.collections:
        for part in collection.sources:
            source += 1
            for number, file in part.files:
                yield (
                    collection.name,
                    source,
                    number,
                    file.location,
                    part.source.reader,
                    file.num_bytes,
                    file.modified,
                    json.dumps(dict(file.storage), sort_keys=True),
                )


_PLACED = pa.schema(
    [
        ("shard", pa.int64()),
        ("collection", pa.string()),
        ("source", pa.int64()),
        ("file", pa.int64()),
        ("path", pa.string()),
        ("format", pa.string()),
        ("file_bytes", pa.int64()),
        ("modified", pa.string()),
        ("storage", pa.string()),
    ]
)


def _collection_rows(assembly: Assembly) -> list[dict[str, object]]:
    return [
        {"position": number, "name": collection.name, "schema": collection.document_schema}
        for number, collection in enumerate(assembly.recipe.collection)
    ]


def _named_columns(bench: Workbench, assembly: Assembly) -> str:
    """Return the scores and labels as further items of a list of columns."""
    types = dict.fromkeys(assembly.scores, "double") | dict.fromkeys(assembly.labels, "varchar")
    held = known_columns(bench, tuple(types))
    columns = [
        quote_identifier(name) if name in held else f"null::{kind} as {quote_identifier(name)}"
        for name, kind in types.items()
    ]
    return "".join(f", {column}" for column in columns)


def _take_where(bench: Workbench, assembly: Assembly, number: int, domain: DomainRecipe) -> None:
    """Take the documents that meet a condition, which the recipe found to be one expression."""
    try:
        bench.run(
            "take_where",
            {"condition": domain.where or "true"},
            domain=number,
            collections=list(domain.collections),
        )
    except CatalogError as error:
        what = f"{assembly.recipe_file}: the condition of domain '{domain.name}' fails"
        raise CatalogError(what, why=error.why, remedy="Mend `where`.") from error


def _check_overlaps(bench: Workbench, assembly: Assembly) -> None:
    found = bench.fetch("find_overlaps")
    if not found:
        return
    listed = "; ".join(
        f"'{row['first_name']}' and '{row['last_name']}' have {row['documents']:,}"
        for row in found[:_SHOWN]
    )
    what = f"{assembly.recipe_file}: domains that are cut from one collection overlap"
    raise CatalogError(
        what,
        why=f"Documents in common: {listed}.",
        remedy="Change their conditions so that every document meets one of them at most.",
    )


def _check_training(bench: Workbench, assembly: Assembly) -> None:
    for row in bench.fetch("count_training"):
        (pieces,) = bench.fetch("count_pieces", name=row["name"])
        first = f" The first: {pieces['first_piece']}." if pieces["first_piece"] else ""
        what = f"{assembly.recipe_file}: domain '{row['name']}' has no document to train on"
        held_out = f"{row['documents']:,} documents were found, all held out"
        raise CatalogError(
            what,
            why=f"{held_out if row['documents'] else 'No document was found'}; "
            f"{pieces['pieces']:,} pieces of input are broken.{first}",
            remedy="Give it more sources or a wider condition, or mend them.",
        )
