"""Scores of a proxy that are attached to the documents of a catalog by identity."""

from __future__ import annotations

from mixopt.catalog.building.assembly import Assembly
from mixopt.catalog.rereading import content_hash
from mixopt.catalog.score_files import read_scores
from mixopt.database.workbench import Workbench, quote_identifier

_SHOWN = 3


def attach_scores(bench: Workbench, assembly: Assembly) -> None:
    """Make the view `measured`: the store's documents with attached scores as further columns.

    Raises:
        CatalogError: a file of scores is gone or damaged.
    """
    names = list(assembly.proxy_scores)
    bench.execute("create_incoming")
    for name, path in assembly.proxy_scores.items():
        for rows in read_scores(path):
            bench.insert("insert_incoming", rows)
        bench.run("keep_incoming", {"table": _table(name)})
    held = bench.columns("store", "documents")
    hidden = [quote_identifier(name) for name in names if name in held]  # of an earlier recipe
    without = f"exclude ({', '.join(hidden)})" if hidden else ""
    columns = "".join(f", {_table(name)}.value as {quote_identifier(name)}" for name in names)
    joins = " ".join(f"left join {_table(name)} using (identity)" for name in names)
    bench.run("create_measured", {"columns": f"{without}{columns}", "joins": joins})


def write_scores(bench: Workbench, assembly: Assembly) -> None:
    """Keep the attached scores of the documents that proxies see."""
    bench.execute("create_seen")
    for name in assembly.proxy_scores:
        bench.run("insert_proxy_scores", {"table": _table(name)}, name=name)


def score_digests(bench: Workbench) -> dict[str, dict[str, str]]:
    """Return by domain what names the values of each attached score."""
    found: dict[str, dict[str, str]] = {}
    for row in bench.fetch("digest_scores"):
        name = content_hash(row["documents"], int(row["digests"]))
        found.setdefault(row["domain"], {})[row["score"]] = name
    return found


def note_missing(bench: Workbench, assembly: Assembly) -> tuple[str, ...]:
    """Return what the user should be told of documents without an attached score."""
    if not assembly.proxy_scores:
        return ()
    missing: dict[str, list[str]] = {}
    for row in bench.fetch("count_missing", names=list(assembly.proxy_scores)):
        domain = assembly.recipe.domain[row["domain"]]
        if domain.document_schema != "preference":  # none is ever scored
            part = f"{row['documents']:,} of '{domain.name}'"
            missing.setdefault(row["name"], []).append(part)
    return tuple(_note(name, parts) for name, parts in missing.items())


def _note(name: str, parts: list[str]) -> str:
    listed = ", ".join(parts[:_SHOWN])
    more = ", ..." if len(parts) > _SHOWN else ""
    return (
        f"Documents without the score '{name}': {listed}{more}. "
        "Nothing can be ordered by it there; "
        f"run `mixopt catalog score {name}` and build the catalog again."
    )


def _table(name: str) -> str:
    return quote_identifier(f"# {name}")  # no other table can be called so
