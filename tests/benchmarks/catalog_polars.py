"""A contestant of `catalog_throughput.py`: a plain scan by polars.

POLARS_MAX_THREADS=1 python tests/benchmarks/catalog_polars.py CORPUS SCRATCH WORKERS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
from catalog_child import say_counted, say_ready


def scan(corpus: Path) -> dict[str, Any]:
    """Count documents, bytes and characters by property, in one pass."""
    lengths = pl.col("text").str
    found = (
        pl.scan_ndjson(corpus / "*.jsonl")
        .group_by("language", "topic")
        .agg(
            pl.len().alias("documents"),
            lengths.len_bytes().sum().alias("bytes"),
            lengths.len_chars().sum().alias("characters"),
        )
        .collect(engine="streaming")
    )
    counted: dict[str, Any] = {
        name: int(found[name].sum()) for name in ("documents", "bytes", "characters")
    }
    for name in ("language", "topic"):
        sums = found.group_by(name).agg(pl.col("documents").sum())
        counted[name] = dict(sums.iter_rows())
    return counted


def main() -> None:
    corpus, _, _ = sys.argv[1:]
    say_ready()
    say_counted(scan(Path(corpus)))


if __name__ == "__main__":
    main()
