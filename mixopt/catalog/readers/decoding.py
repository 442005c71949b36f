"""Documents that are stored as tokens: their text, and whether the tokenizer knows all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.readers.intake import BadRecordError
from mixopt.catalog.readers.records import checked_document

MOST_TOKENS = 1 << 26
"""Tokens of one document; one that is longer is set aside."""

TOO_LONG = f"longer than {MOST_TOKENS:,} tokens"


def document_of_tokens(ids: NDArray[np.integer] | None, tokenizer: TokenCounter) -> Document:
    """Return the document that ids [T] stand for; the id that ends documents is not among them.

    Bytes that are no text, as of a document that was cut within a character, become the
    replacement sign.

    Raises:
        BadRecordError: the tokenizer does not know an id, there is no text, or there are no ids as
            they are too many.
    """
    if ids is None:
        raise BadRecordError(TOO_LONG)
    known = tokenizer.size
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= known):
        wrong = int(ids[(ids < 0) | (ids >= known)][0])
        what = f"the id {wrong} is none of the {known:,} of tokenizer '{tokenizer.name}'"
        raise BadRecordError(what)
    tokens = ids.astype(np.uint32)
    text = tokenizer.decode(tokens)
    return checked_document(Document(text=text, tokens=tokens, tokenizer=tokenizer.digest))
