"""Writing measured domains into a new catalog file, in place of the old one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mixopt.catalog.inventory import open_catalog
from mixopt.catalog.profile import Profile, duplicate_share, merge_profiles
from mixopt.catalog.recipe import CatalogRecipe, SplitShares
from mixopt.catalog.shards import DomainScanner, MeasuredShard
from mixopt.recipes.digest import digest

Rows = list[dict[str, object]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogContent:
    """All that a catalog file is written from.

    Attributes:
        recipe: what was asked for.
        recipe_file: where the recipe stands.
        tokenizer: the tokenizer that tokens were counted with.
        tokenizer_digest: names its content.
        domains: the measured domains, in the recipe's order.
    """

    recipe: CatalogRecipe
    recipe_file: Path
    tokenizer: str
    tokenizer_digest: str
    domains: tuple[DomainScanner, ...]


def write_catalog(path: Path, content: CatalogContent) -> None:
    """Write a catalog beside `path` and put it there once it is complete.

    Raises:
        CatalogError: the file cannot be written.
        OSError: its folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    _remove(beside)
    try:
        with open_catalog(beside, "write") as database, database.transaction():
            for table, rows in _tables(content).items():
                database.insert_many(f"insert_{table}", rows)
        beside.replace(path)
    finally:
        _remove(beside)


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)


def _tables(content: CatalogContent) -> Mapping[str, Rows]:
    domains = [
        _domain_row(position, scanner, content.recipe.split)
        for position, scanner in enumerate(content.domains)
    ]
    tables: dict[str, Rows] = {"info": [_info_row(content, domains)], "domains": domains}
    tables |= _shard_tables(content.domains)
    tables["quarantine"] = [
        {
            "domain": scanner.recipe.name,
            "path": str(entry.path),
            "unit": entry.unit,
            "position": entry.offset,
            "reason": entry.reason,
        }
        for scanner in content.domains
        for entry in scanner.quarantine.entries
    ]
    return tables


def _info_row(content: CatalogContent, domains: Rows) -> dict[str, object]:
    contents = sorted(
        (str(row["name"]), str(row["content_hash"]), str(row["supply_tokens"])) for row in domains
    )
    recipe = content.recipe
    return {
        "name": recipe.name,
        "tokenizer": content.tokenizer,
        "tokenizer_digest": content.tokenizer_digest,
        "content_hash": digest({"domains": contents, "tokenizer": content.tokenizer_digest}),
        "recipe_file": str(content.recipe_file.resolve()),
        "recipe_digest": digest(recipe),
        "validation_share": recipe.split.validation,
        "test_share": recipe.split.test,
    }


def _domain_row(position: int, scanner: DomainScanner, shares: SplitShares) -> dict[str, object]:
    recipe = scanner.recipe
    profile = merge_profiles(shard.profile for shard in scanner.shards)
    unique_tokens = scanner.distinct.splits["train"].tokens
    return {
        "position": position,
        "name": recipe.name,
        "provenance": recipe.provenance,
        "licence": recipe.licence,
        "schema": recipe.document_schema,
        "shards": len(scanner.shards),
        **_totals(profile),
        "sample_tokens": profile.splits["train"].tokens,
        "unique_tokens": unique_tokens,
        "supply_tokens": recipe.supply_tokens or unique_tokens,
        "supply_declared": recipe.supply_tokens is not None,
        "duplicate_share": duplicate_share(profile.totals.documents, scanner.distinct.documents),
        "quarantined": len(scanner.quarantine),
        "content_hash": digest({"documents": profile.content_hash, "shares": shares}),
    }


def _shard_tables(domains: tuple[DomainScanner, ...]) -> dict[str, Rows]:
    sources: dict[tuple[str, str], int] = {}
    tables: dict[str, Rows] = {"shards": [], "shard_splits": [], "length_histograms": []}
    numbers = count(1)
    for scanner in domains:
        name = scanner.recipe.name
        for shard in scanner.shards:
            number = next(numbers)
            key = (name, shard.source.model_dump_json())
            source = sources.setdefault(key, len(sources) + 1)
            tables["shards"].append(_shard_row(shard, shard=number, domain=name, source=source))
            tables["shard_splits"] += _split_rows(shard.profile, shard=number, domain=name)
            tables["length_histograms"] += [
                {"shard": number, "domain": name, "log2_bytes": bucket, "documents": documents}
                for bucket, documents in shard.profile.lengths.items()
            ]
    tables["sources"] = [
        {"source": number, "domain": name, "reader": json.loads(text)["reader"], "options": text}
        for (name, text), number in sources.items()
    ]
    return tables


def _shard_row(measured: MeasuredShard, **keys: object) -> dict[str, object]:
    return {
        **keys,
        "path": str(measured.path),
        "format": measured.source.reader,
        "file_bytes": measured.file_bytes,
        **_totals(measured.profile),
        "duplicate_share": measured.duplicate_share,
        "content_hash": measured.profile.content_hash,
    }


def _split_rows(profile: Profile, **keys: object) -> Iterator[dict[str, object]]:
    for split, totals in profile.splits.items():
        yield {
            **keys,
            "split": split,
            "documents": totals.documents,
            "bytes": totals.num_bytes,
            "tokens": totals.tokens,
        }


def _totals(profile: Profile) -> dict[str, object]:
    totals = profile.totals
    return {"documents": totals.documents, "bytes": totals.num_bytes, "tokens": totals.tokens}
