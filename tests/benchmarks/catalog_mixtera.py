"""A contestant of `catalog_throughput.py`: Mixtera's registration of JSON lines, in its interpreter.

    MIXTERA_PYTHON tests/benchmarks/catalog_mixtera.py CORPUS SCRATCH WORKERS

Its C++ extension cuts chunks for training and has no part in registering. It takes the number of
workers from the number of cores, four of which it leaves free.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from catalog_child import say_counted, say_ready
from mixtera.core.datacollection import (  # type: ignore[import-not-found]
    MixteraDataCollection,
)
from mixtera.core.datacollection.datasets import JSONLDataset  # type: ignore[import-not-found]
from mixtera.core.datacollection.index.parser import (  # type: ignore[import-not-found]
    MetadataParser,
    MetadataProperty,
)

_LEFT_FREE = 4
_PROPERTIES = ("language", "topic")


class TwoProperties(MetadataParser):  # type: ignore[misc]
    """Takes the two properties of a document."""

    @classmethod
    def get_properties(cls) -> list[Any]:
        return [
            MetadataProperty(name=name, dtype="STRING", multiple=False, nullable=True)
            for name in _PROPERTIES
        ]

    def parse(self, line_number: int, payload: dict[str, str], **_: object) -> None:
        values = {name: payload[name] for name in _PROPERTIES}
        self.add_metadata(sample_id=line_number, **values)


def register(corpus: Path, scratch: Path) -> dict[str, Any]:
    """Register all files, and return the number of documents by property."""
    collection = MixteraDataCollection(scratch)
    collection._metadata_factory.add_parser("TWO", TwoProperties)
    if not collection.register_dataset("corpus", str(corpus), JSONLDataset, str, "TWO"):
        message = "the registration failed"
        raise RuntimeError(message)
    counted: dict[str, Any] = {}
    for name in _PROPERTIES:
        query = f"select {name}, count(*) from samples group by {name}"
        counted[name] = dict(collection._connection.execute(query).fetchall())
    return {"documents": sum(counted["topic"].values()), **counted}


def main() -> None:
    corpus, scratch, workers = sys.argv[1:]
    cores = int(workers) + _LEFT_FREE
    os.cpu_count = lambda: cores
    say_ready()
    say_counted(register(Path(corpus), Path(scratch)))


if __name__ == "__main__":
    main()
