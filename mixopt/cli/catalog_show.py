"""`mixopt catalog show`, `quarantine` and `snapshots`: what a catalog holds, lacks and held before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixopt.cli import console
from mixopt.cli.paths import CatalogOption, JsonOption, find_catalog
from mixopt.recipes.quantity import show_quantity

if TYPE_CHECKING:
    from mixopt.catalog.profile_view import DomainProfile

Rows = Sequence[Mapping[str, Any]]
MostOption = Annotated[int, typer.Option("--most", min=0, help="Files or entries to list at most.")]

_BAR_WIDTH = 40
_EXCERPT_CHARACTERS = 300


def register(app: typer.Typer) -> None:
    """Add the commands to the group `catalog`."""
    for command in (show, quarantine, snapshots):
        app.command()(command)


def show(
    domain: Annotated[
        str | None, typer.Argument(help="A domain to show all of; by default all, a line each.")
    ] = None,
    catalog: CatalogOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what the domains hold, or the whole profile of one."""
    # What reads a catalog loads all readers with it, and other commands need not wait for that.
    from mixopt.catalog.inventory import read_inventory  # noqa: PLC0415
    from mixopt.catalog.profile_view import (  # noqa: PLC0415
        read_domains,
        read_profile,
        read_quarantine,
    )

    path = find_catalog(catalog)
    if domain is not None:
        profile = read_profile(path, domain)
        console.show_json(profile) if as_json else _show_profile(profile)
        return
    rows = read_domains(path)
    if as_json:
        console.show_json(rows)
        return
    inventory = read_inventory(path)
    total = sum(found.supply_tokens for found in inventory.domains)
    title = (
        f"{inventory.catalog}: supply {show_quantity(total)} tokens ({inventory.tokenizer}), "
        f"content {inventory.content_hash}"
    )
    _show_rows(_without_monotony([_domain_line(row) for row in rows]), title)
    broken = sum(row["quarantined"] for row in read_quarantine(path, most=0).collections)
    if broken:
        console.narrate(f"{broken:,} broken pieces: see `mixopt catalog quarantine`")


def quarantine(
    domain: Annotated[
        str | None, typer.Option("--domain", help="Only the files of this domain or collection.")
    ] = None,
    most: MostOption = 20,
    catalog: CatalogOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what is broken in the files: reasons, and the first entries with file and place."""
    from mixopt.catalog.profile_view import read_quarantine  # noqa: PLC0415 - as above

    found = read_quarantine(find_catalog(catalog), domain, most=most)
    if as_json:
        console.show_json(found)
        return
    if not found.collections:
        console.show_text("Nothing is in quarantine.")
        return
    _show_rows(found.collections, "broken pieces")
    _show_rows(found.reasons, "reasons, with the first file of each")
    kept = sum(row["entries"] for row in found.reasons)
    _show_rows(found.entries, f"entries: {len(found.entries):,} of {kept:,} that were kept")


def snapshots(
    old: Annotated[
        str | None, typer.Argument(help="Number or content hash of a snapshot to compare.")
    ] = None,
    new: Annotated[
        str | None, typer.Argument(help="The one to compare it with; by default the last.")
    ] = None,
    most: MostOption = 20,
    catalog: CatalogOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the history of a catalog, or what differs between two of its snapshots."""
    from mixopt.catalog.profile_view import compare_snapshots, read_snapshots  # noqa: PLC0415

    path = find_catalog(catalog)
    history = read_snapshots(path)
    if old is None:
        if as_json:
            console.show_json(history)
        else:
            _show_rows(
                [{**row, "built_at": f"{row['built_at']:%Y-%m-%d %H:%M}"} for row in history]
            )
        return
    change = compare_snapshots(path, old, new or str(history[-1]["number"]), most=most)
    if as_json:
        console.show_json(change)
        return
    names = f"from snapshot {change.old['number']} to {change.new['number']}"
    if not change.domains:
        console.show_text(f"No domain differs {names}.")
        return
    _show_rows(change.domains, f"domains {names}: gain in documents, tokens and supply")
    _show_rows(change.shards, f"the first files that differ, at most {most}")


def _domain_line(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "domain": row["domain"],
        "provenance": row["provenance"],
        "schema": row["schema"],
        "documents": row["documents"],
        "tokens": show_quantity(row["tokens"]),
        "supply": show_quantity(row["supply_tokens"]),
        "duplicates": _percent(row["duplicate_share"]),
        "near-\nduplicates": _percent(row["near_duplicate_share"]),
        "language": _language(row["language"], row["language_share"]),
        "contaminated": _percent(row["contaminated_share"]),
        "protected": _percent(row["protected_share"]),
    }


def _without_monotony(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Leave out columns of which nothing is known, and the schema where all are texts."""
    dull = {
        name
        for name in lines[0]
        if all(line[name] == ("text" if name == "schema" else "") for line in lines)
    }
    return [{name: value for name, value in line.items() if name not in dull} for line in lines]


def _show_profile(profile: DomainProfile) -> None:
    """Print the parts of a profile that there are, one after the other."""
    name = profile.domain["name"]
    facts = [(key, _fact(key, value)) for key, value in profile.domain.items() if value is not None]
    console.show_table(["", name], facts, as_json=False)
    _show_rows(profile.splits, "splits")
    _show_rows([profile.files], "files, and what became of all documents in them")
    _show_rows(_bars(profile.lengths), "length in bytes")
    _show_rows(_shares(profile.languages), "languages")
    _show_rows(profile.token_counts, "tokens by tokenizer")
    _show_rows(profile.scores, "scores")
    _show_rows(_shares(profile.labels), "labels")
    _show_rows(_shares(profile.overlaps), "near-duplicates in")
    _show_rows(profile.contaminations, "n-grams shared with")
    for row in profile.excerpts:
        text = " ".join(row["excerpt"].split())[:_EXCERPT_CHARACTERS]
        console.show_text(f"{row['path']}, {row['split']}, {row['bytes']:,} bytes: {text}")


def _show_rows(rows: Rows, title: str = "") -> None:
    """Print mappings as a table; nothing where there are none."""
    if rows:
        columns = list(rows[0])
        values = [[row[column] for column in columns] for row in rows]
        console.show_table(
            [column.replace("_", " ") for column in columns], values, as_json=False, title=title
        )


def _bars(lengths: Rows) -> list[dict[str, object]]:
    """Return a histogram as rows with a bar each."""
    most = max((row["documents"] for row in lengths), default=1)
    return [
        {
            "from": f"{show_quantity(row['from_bytes'])}B",
            "documents": row["documents"],
            "": "█" * max(1, round(row["documents"] / most * _BAR_WIDTH)),
        }
        for row in lengths
    ]


def _shares(rows: Rows) -> list[dict[str, Any]]:
    return [
        {key: _percent(value) if key.endswith("share") else value for key, value in row.items()}
        for row in rows
    ]


def _fact(key: str, value: object) -> str:
    if key.endswith("_share") and isinstance(value, float):
        return f"{value:.2%}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _language(name: str | None, share: float | None) -> str:
    if name is None:
        return ""
    return name if share is None else f"{name} {share:.0%}"
