"""The columns that are measured of every document."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

SIGNATURE_BYTES = 128  # one per permutation; see `signatures`

DOCUMENT_COLUMNS = pa.schema(
    [
        pa.field("document", pa.int32(), nullable=False),  # place among those taken of its file
        pa.field("identity", pa.uint64(), nullable=False),  # first 64 bits of Document.identity
        pa.field("fingerprint", pa.uint64(), nullable=False),  # likewise of its fingerprint
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),  # end_of_text included
        pa.field("further_tokens", pa.list_(pa.int64())),  # by further tokenizer; null without any
        pa.field("language", pa.string()),  # ISO 639 code; null where not measured
        pa.field("compressibility", pa.float32()),  # null where not measured
        pa.field("repetition", pa.float32()),  # null where not measured
        pa.field("signature", pa.binary()),  # MinHash, SIGNATURE_BYTES; null where too short
        pa.field("grams", pa.list_(pa.uint64())),  # the sampled hashes of its n-grams
        pa.field(
            "protected", pa.list_(pa.string())
        ),  # names of protected sets it shares n-grams with
        pa.field("excerpt", pa.string()),  # how it begins
    ]
)
"""Arrow schema of the built-in columns; scores (float64) and labels (string) stand after them."""


def document_schema(scores: Iterable[str], labels: Iterable[str]) -> pa.Schema:
    """Return the schema of documents that have these scores and labels, each sorted by name."""
    fields = [pa.field(name, pa.float64()) for name in sorted(scores)]
    fields += [pa.field(name, pa.string()) for name in sorted(labels)]
    return pa.schema([*DOCUMENT_COLUMNS, *fields])
