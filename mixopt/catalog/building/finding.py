"""Which files were measured before: by where they lie and when they changed, else by content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from mixopt.catalog.building.measured import MeasuredStore
from mixopt.catalog.building.measured_tables import Wanted, numbers_table, wanted_table
from mixopt.catalog.locations import File, checksum


def find_measured(
    store: MeasuredStore, wanted: Sequence[Wanted], *, claimed: Iterable[int], threads: int
) -> dict[int, int]:
    """Return the numbers of files that were measured, by their place among the wanted ones.

    A file that lies elsewhere than it did, or was only touched, is known by its size and checksum;
    the store then remembers where it is now.

    Args:
        store: what was measured.
        wanted: the files to look for.
        claimed: numbers of files that are known to be where they were.
        threads: how many checksums to compute at once.
    """
    found = _places(store.find("find_measured", wanted=wanted_table(wanted, range(len(wanted)))))
    rest = [place for place in range(len(wanted)) if place not in found]
    if not rest:
        return found
    held = numbers_table(sorted({*claimed, *found.values()}))
    missing = wanted_table(wanted, rest)
    suspects = store.find("find_suspects", wanted=missing, claimed=held)["place"].to_pylist()
    if not suspects:
        return found
    with ThreadPoolExecutor(threads) as pool:
        sums = list(pool.map(_checksum, (wanted[place].file for place in suspects)))
    summed = wanted_table(wanted, suspects).append_column("checksum", pa.array(sums, pa.string()))
    moved = _places(store.find("find_moved", wanted=summed, claimed=held))
    if moved:
        numbers = pa.array(list(moved.values()), pa.int64())
        store.execute(
            "move_files", moved=wanted_table(wanted, list(moved)).append_column("file", numbers)
        )
    return found | moved


def _places(rows: pa.Table) -> dict[int, int]:
    return dict(zip(rows["place"].to_pylist(), rows["file"].to_pylist(), strict=True))


def _checksum(file: File) -> str | None:
    try:
        return checksum(file)
    except OSError:
        return None
