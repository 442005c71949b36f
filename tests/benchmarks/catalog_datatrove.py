"""A contestant of `catalog_throughput.py`: datatrove's statistics of documents, in its interpreter.

DATATROVE_PYTHON tests/benchmarks/catalog_datatrove.py CORPUS SCRATCH WORKERS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from catalog_child import say_counted, say_ready
from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
from datatrove.pipeline.readers import JsonlReader  # type: ignore[import-not-found]
from datatrove.pipeline.stats import DocStats  # type: ignore[import-not-found]


def measure(corpus: Path, scratch: Path, workers: int) -> dict[str, Any]:
    """Run its statistics of single documents over all files, one task a file."""
    files = len(list(corpus.glob("*.jsonl")))
    pipeline = [
        JsonlReader(str(corpus), glob_pattern="*.jsonl"),
        DocStats(str(scratch / "stats"), groups_to_compute=["summary", "histogram"]),
    ]
    LocalPipelineExecutor(
        pipeline,
        tasks=files,
        workers=workers,
        logging_dir=str(scratch / "logs"),
        start_method="fork",
    ).run()
    parts = [
        json.loads(path.read_text())["summary"]
        for path in (scratch / "stats" / "summary" / "length").glob("*.json")
    ]
    return {
        "documents": sum(part["n"] for part in parts),
        "characters": round(sum(part["total"] for part in parts)),
    }


def main() -> None:
    corpus, scratch, workers = sys.argv[1:]
    say_ready()
    say_counted(measure(Path(corpus), Path(scratch), int(workers)))


if __name__ == "__main__":
    main()
