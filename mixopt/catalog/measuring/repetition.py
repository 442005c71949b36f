"""How much of a document repeats itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.measuring.compiled import kernel
from mixopt.catalog.measuring.hashing import Hash, is_new, table_size
from mixopt.catalog.measuring.words import Words, num_runs, power_of, run_hash

VERSION = "1"
RUN_WORDS = 10
MOST_WORDS = 1 << 18  # about two megabytes of English


def repetition(words: Words, documents: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the share of words that lie in a run of ten words that stood before; 0 to 1.

    It is one of the measures of repetition of Rae et al., 2021, "Scaling Language Models: Methods,
    Analysis & Insights from Training Gopher", table A1, counted in words, without the
    first of equal runs. Of a long document the first 2^18 words are measured. A document of fewer
    than eleven words does not repeat itself.

    Args:
        words: of a batch of D documents.
        documents: [N]; which of them are measured, 0 to D - 1.

    Returns:
        float32 [N].
    """
    shares = np.zeros(len(documents), np.float32)
    _repetition(words.prefixes, words.starts, documents, power_of(RUN_WORDS), shares)
    return shares


@kernel
def _repetition(
    prefixes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    documents: NDArray[np.int64],
    power: Hash,
    shares: NDArray[np.float32],
) -> None:
    for row in range(documents.size):
        start = starts[documents[row]]
        runs = min(num_runs(starts, documents[row], RUN_WORDS), MOST_WORDS - RUN_WORDS + 1)
        table = np.zeros(table_size(runs), np.uint64)
        repeated, covered = 0, 0
        for first in range(runs):
            if not is_new(table, run_hash(prefixes, start + first, RUN_WORDS, power)):
                repeated += first + RUN_WORDS - max(first, covered)
                covered = first + RUN_WORDS
        if runs > 0:
            shares[row] = repeated / (runs + RUN_WORDS - 1)
