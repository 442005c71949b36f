"""Documents that are equal or nearly equal, within domains and across them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mixopt.catalog.measuring.columns import SIGNATURE_BYTES
from mixopt.catalog.measuring.signatures import similarity
from mixopt.database.workbench import Workbench

_BANDS = 16
_PAIRS = 1 << 16
_MOST_DOMAINS = 100


def find_duplicates(bench: Workbench, least: float | None) -> None:
    """Find the distinct documents of every domain, and what domains have in common.

    Near-duplicates are found by MinHash and banding (Broder, 1997; Leskovec, Rajaraman and Ullman,
    "Mining of massive datasets", section 3.4): documents that share one of 16 bands of 8 bytes of
    their signatures are candidates; a candidate counts when its signature and that of its band's
    document of the smallest identity estimate a Jaccard similarity of at least `least`. Documents
    that are connected by such pairs are one group. Candidates are compared in SQL's stream, a
    few thousand pairs at a time; only pairs that count are held in memory, 16 bytes each.

    Args:
        bench: the catalog, with all documents taken.
        least: the least similarity of near-duplicates; none does not look for them.
    """
    if least is not None:
        bench.execute("create_bands")
        bench.execute("create_candidate_pairs")
        for number in range(_BANDS):
            bench.run("pair_band", {"band": f"band_{number + 1}"})
        bench.insert("insert_near", _groups(_similar_pairs(bench, least)))
        bench.execute("drop_pairs")
    bench.execute("create_distinct")
    bench.execute("insert_overlaps", most_domains=_MOST_DOMAINS)


def leaders(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the members of all groups that pairs [N, 2] connect, and the smallest of each group.

    Returns:
        Members [M], ascending, and the smallest member of the group of each [M].
    """
    members, places = np.unique(pairs, return_inverse=True)
    left, right = places.reshape(pairs.shape).T
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(len(members),) * 2)
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)  # members ascend: the first is the smallest
    return members, members[first][group]


def _similar_pairs(bench: Workbench, least: float) -> NDArray[np.uint64]:
    """Return the pairs of identities [N, 2] that are similar enough."""
    kept = [np.empty((0, 2), np.uint64)]
    for batch in bench.batches("read_pairs", _PAIRS):
        alike = similarity(_signatures(batch.column(2)), _signatures(batch.column(3)))
        pairs = np.stack([batch.column(number).to_numpy() for number in (0, 1)], axis=1)
        kept.append(pairs[alike >= least])
    return np.concatenate(kept)


def _signatures(column: pa.BinaryArray) -> NDArray[np.uint8]:
    """Return signatures of equal length as an array [N, SIGNATURE_BYTES]."""
    fixed = column.cast(pa.binary(SIGNATURE_BYTES))
    start = fixed.offset * SIGNATURE_BYTES
    flat = np.frombuffer(fixed.buffers()[1], np.uint8)[start : start + len(fixed) * SIGNATURE_BYTES]
    return flat.reshape(len(fixed), SIGNATURE_BYTES)


def _groups(pairs: NDArray[np.uint64]) -> pa.Table:
    if not len(pairs):
        return pa.table(
            {"identity": pa.array([], pa.uint64()), "leader": pa.array([], pa.uint64())}
        )
    members, smallest = leaders(pairs)
    return pa.table({"identity": members, "leader": smallest})
