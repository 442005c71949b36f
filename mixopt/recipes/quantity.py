"""Counts as people write them: `20B` tokens, `124M` parameters, `12MB` of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
_NUMBER = r"\s*([0-9][0-9_]*(?:\.[0-9]+)?) ?"


def show_quantity(count: float) -> str:
    """Return a count with three digits and a unit: 1_500_000_000 is `1.5B`."""
    for unit in ("T", "B", "M", "K"):
        if abs(count) >= 0.9995 * _UNITS[unit]:
            return f"{count / _UNITS[unit]:.3g}{unit}"
    return f"{count:.3g}"


def _reader(ending: str, expected: str) -> Callable[[object], object]:
    """Return what turns texts into whole numbers and lets other types but booleans pass.

    Args:
        ending: what follows the number, as a pattern whose one group is the unit.
        expected: what is expected, for the error text.
    """
    pattern = re.compile(_NUMBER + ending + r"\s*")

    def read(value: object) -> object:
        if not isinstance(value, str | bool):
            return value
        match = pattern.fullmatch(str(value))
        if match is None:
            raise ValueError(expected)
        count = Decimal(match[1].replace("_", "")) * _UNITS[match[2].upper()]
        if count != int(count):
            raise ValueError(expected)
        return int(count)

    return read


_read_count = _reader("([kKMBGT]?)", "a whole count above 0 such as 250_000, '124M' or '7B'")
_read_tokens = _reader(
    "([kKMBGT]?)(?: ?tokens)?", "a whole number of tokens above 0 such as 250_000, '20B' or '1.5T'"
)
_read_bytes = _reader(
    "([kKMGT]?)(?:B|bytes)?", "a whole number of bytes above 0 such as 250_000, '512KB' or '1.5GB'"
)

Quantity = Annotated[int, Field(gt=0), BeforeValidator(_read_count)]
TokenCount = Annotated[int, Field(gt=0), BeforeValidator(_read_tokens)]
ByteCount = Annotated[int, Field(gt=0), BeforeValidator(_read_bytes)]
