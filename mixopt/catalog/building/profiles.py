"""Statistics of shards and domains, and the hashes that name what they hold."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixopt.catalog.building.assembly import Assembly
from mixopt.catalog.building.placing import known_columns
from mixopt.catalog.building.proxy_scores import score_digests
from mixopt.catalog.recipe import DomainRecipe
from mixopt.catalog.rereading import content_hash
from mixopt.database.workbench import Workbench, quote_identifier
from mixopt.recipes.digest import digest

_MOST_VALUES = 100

Facts = list[dict[str, Any]]


def write_profiles(bench: Workbench, assembly: Assembly) -> Facts:
    """Write the statistics of shards and domains; return those of which domains' rows are made."""
    for query in ("shards", "shard_splits", "length_histograms", "languages"):
        bench.execute(f"insert_{query}")
    for number, tokenizer in enumerate(assembly.tokenizers):
        named: dict[str, object] = {
            "tokenizer": tokenizer.name,
            "tokenizer_digest": tokenizer.digest,
        }
        if number:
            bench.execute("insert_further_token_counts", number=number, **named)
        else:
            bench.execute("insert_token_counts", **named)
    for name in known_columns(bench, assembly.scores):
        bench.run("insert_score_summaries", {"score": quote_identifier(name)}, name=name)
    for name in known_columns(bench, assembly.labels):
        label = {"label": quote_identifier(name)}
        bench.run("insert_label_counts", label, name=name, most_values=_MOST_VALUES)
    return bench.fetch("read_domain_facts")


def write_documents(bench: Workbench, assembly: Assembly) -> None:
    """Keep some documents of every domain with their statistics."""
    profile = assembly.recipe.profile
    if not profile.kept_documents:
        return
    scores = known_columns(bench, assembly.scores)
    labels = known_columns(bench, assembly.labels)
    bench.run(
        "insert_documents",
        {"scores": _values(scores), "labels": _values(labels)},
        most=profile.kept_documents,
        contamination=profile.contamination is not None,
        scores=list(scores),
        labels=list(labels),
    )


def write_domains(bench: Workbench, assembly: Assembly, facts: Facts) -> str:
    """Write a row for every domain; return the hash that names the catalog's content."""
    shares = _contamination(bench, assembly)
    scores = score_digests(bench)
    rows = [
        _domain_row(row, assembly.recipe.domain[row["domain"]], assembly)
        | {"content_hash": _content_hash(row, assembly, scores.get(row["name"], {}))}
        | {
            name: found.get(row["domain"], 0) / max(row["train_documents"], 1)
            if found is not None
            else None
            for name, found in shares.items()
        }
        for row in facts
    ]
    bench.insert("insert_domains", pa.Table.from_pylist(rows))
    contents = sorted(
        (str(row["name"]), str(row["content_hash"]), str(row["supply_tokens"])) for row in rows
    )
    snapshot = digest({"domains": contents, "tokenizer": assembly.tokenizers[0].digest})
    bench.execute("set_content_hash", content_hash=snapshot)
    return snapshot


def _values(names: tuple[str, ...]) -> str:
    return f"[{', '.join(f'held.{quote_identifier(name)}' for name in names)}]"


def _contamination(bench: Workbench, assembly: Assembly) -> dict[str, dict[int, int] | None]:
    """Return by column the contaminated training documents of each domain; none if not looked for."""
    queries = {"contaminated_share": "read_contaminated", "protected_share": "read_protected"}
    if assembly.recipe.profile.contamination is None:
        return dict.fromkeys(queries)
    return {
        column: {row["domain"]: row["documents"] for row in bench.fetch(query)}
        for column, query in queries.items()
    }


_MEASURED = (
    "name",
    "shards",
    "documents",
    "bytes",
    "tokens",
    "train_tokens",
    "sample_documents",
    "sample_bytes",
    "sample_tokens",
    "unique_tokens",
    "effective_tokens",
    "profiled_documents",
    "compressibility",
    "repetition",
    "language",
    "language_share",
    "median_bytes",
    "quarantined",
)


def _domain_row(row: dict[str, Any], domain: DomainRecipe, assembly: Assembly) -> dict[str, Any]:
    recipe = assembly.recipe
    supply = row["unique_tokens" if recipe.profile.supply == "unique" else "effective_tokens"]
    looked_for = recipe.profile.near_duplicates is not None
    return {
        "position": row["domain"],
        **{name: row[name] for name in _MEASURED},
        "provenance": domain.provenance,
        "licence": domain.licence,
        "schema": domain.document_schema,
        "collections": list(domain.collections),
        "condition": domain.where,
        "supply_tokens": domain.supply_tokens or supply,
        "supply_declared": domain.supply_tokens is not None,
        "duplicate_share": 1 - row["identities"] / row["documents"],
        "near_duplicate_share": 1 - row["groups"] / row["documents"] if looked_for else None,
    }


def _content_hash(row: dict[str, Any], assembly: Assembly, scores: dict[str, str]) -> str:
    """Return what names a domain's documents, their splits and the scores that are attached."""
    found = content_hash(row["sample_documents"], int(row["sample_fingerprints"]))
    named = {"documents": found, "shares": assembly.recipe.split}
    return digest(named | {"scores": scores} if scores else named)
