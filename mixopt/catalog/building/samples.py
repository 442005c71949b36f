"""Samples of large domains: windows of training tokens, spread over all shards without favour."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mixopt import seeds
from mixopt.catalog.building.assembly import Assembly
from mixopt.catalog.documents import SPLITS
from mixopt.database.workbench import Workbench
from mixopt.errors import CatalogError

_WINDOWS = 64
_HELD_OUT_TOKENS = 1_000_000


def choose_samples(bench: Workbench, assembly: Assembly) -> None:
    """Choose the documents that proxies see of domains with `sample_tokens`.

    All training tokens of a domain stand on a line of T tokens, shard by shard. For a sample of S
    tokens, 64 windows of S / 64 tokens each are put on it, one every T / 64 tokens, their common
    beginning drawn by the seed; a document is taken when its first token lies in a window
    (systematic sampling; Cochran, 1977, "Sampling techniques", chapter 8). So every document has
    the same chance S / T whatever its length and shard, the sample's tokens are S on average,
    and shards between the windows, of which there are many in a large domain, are never read.

    A held-out document stands where the training tokens before it end. The windows of its split
    are widened where that is needed for about a million tokens to measure on, or all there are.

    Raises:
        CatalogError: a sample is so small that it holds no document to train on.
    """
    rows = list(_windows(bench, assembly))
    bench.insert("choose_sample", pa.Table.from_pylist(rows))
    for row in bench.fetch("find_empty_samples", domains=[row["domain"] for row in rows]):
        what = f"{assembly.recipe_file}: the sample of domain '{row['name']}' has no document"
        raise CatalogError(
            what,
            why="Its documents are longer than the sample.",
            remedy="Raise `sample_tokens`.",
        )
    bench.execute("choose_rest")
    bench.execute("insert_members")


def _windows(bench: Workbench, assembly: Assembly) -> Iterator[dict[str, object]]:
    recipe = assembly.recipe
    if all(domain.sample_tokens is None for domain in recipe.domain):
        return
    for sizes in bench.fetch("read_sizes"):
        wanted = recipe.domain[sizes["domain"]].sample_tokens
        if wanted is None or wanted >= sizes["train"]:
            continue
        share = wanted / sizes["train"]
        needed = [_HELD_OUT_TOKENS / max(sizes[split], 1) for split in SPLITS[1:]]
        period = sizes["train"] / _WINDOWS
        rng = seeds.generator(recipe.seed, "catalog", "sample", sizes["name"])
        yield {
            "domain": sizes["domain"],
            "shares": [share, *(min(1.0, max(share, least)) for least in needed)],
            "period": period,
            "beginning": rng.random() * period,
        }
