"""What the catalog is given to count tokens with; tokenizers live on a higher floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.documents import Document


class TokenCounter(Protocol):
    """Counts the tokens of texts, and turns tokens back into text; can be pickled.

    Attributes:
        name: what recipes call the tokenizer.
        digest: names its content.
        size: every id is below it.
        end_of_text: id of the token that ends every document.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def digest(self) -> str: ...  # noqa: D102 - see the class
    @property
    def size(self) -> int: ...  # noqa: D102 - see the class
    @property
    def end_of_text(self) -> int: ...  # noqa: D102 - see the class

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, its end_of_text included."""
        ...

    def decode(self, ids: NDArray[np.integer]) -> str:
        """Return the text of the ids."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Counting:
    """How the tokens of documents are counted; can be pickled.

    Attributes:
        counters: the catalog's tokenizer first, then those that are counted with as well.
        render: writes a document as the text whose tokens count.
        load: returns the tokenizer of a name or path, for sources that hold tokens.
    """

    counters: tuple[TokenCounter, ...]
    render: Callable[[Document], str]
    load: Callable[[str], TokenCounter]
