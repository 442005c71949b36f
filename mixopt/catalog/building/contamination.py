"""Training documents that share n-grams with held-out documents or with protected texts."""

from __future__ import annotations

from mixopt.database.workbench import Workbench

_MOST_DOCUMENTS = 1000


def find_contamination(bench: Workbench) -> None:
    """Find the training documents that share a sampled n-gram with what is held out.

    Copies of a held-out document are held out too, so what is found are near-copies, quotations
    and common sources. N-grams that more than a thousand documents have are boilerplate, such as
    licences, and do not count.
    """
    bench.execute("create_held_grams")
    bench.execute("create_hits")
    bench.execute("insert_contaminated", most_documents=_MOST_DOCUMENTS)
    bench.execute("drop_grams")
    bench.execute("insert_contaminations")
    bench.execute("insert_protected")
