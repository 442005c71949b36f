"""The history of a catalog: a snapshot for every content that it had."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mixopt.catalog.inventory import open_catalog
from mixopt.database.workbench import Workbench
from mixopt.errors import CatalogError


def attach_previous(bench: Workbench, previous: Path | None) -> tuple[bool, str]:
    """Attach the catalog that is replaced; return whether it has a history, or why it has not."""
    if previous is None or not previous.is_file():
        return False, ""
    try:
        open_catalog(previous, "read").close()
        bench.attach("previous", previous)
    except CatalogError as error:
        return False, f"The history begins anew: {error.what}."
    return True, ""


def write_history(bench: Workbench, content_hash: str, *, goes_on: bool) -> None:
    """Write the snapshots so far, and a new one if the content differs from the newest."""
    if goes_on:
        bench.execute("carry_snapshots")
    newest = bench.fetch("read_newest")
    if newest and newest[0]["snapshot"] == content_hash:
        bench.execute("carry_shard_history")
        return
    number = newest[0]["number"] + 1 if newest else 1
    bench.execute("open_history" if goes_on else "begin_history")
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    bench.execute("insert_snapshot", number=number, built_at=now)
    bench.execute("insert_snapshot_domains", number=number)
    bench.execute("insert_shard_history", number=number)
