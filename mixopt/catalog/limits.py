"""The limit that lists of a catalog recipe keep: they are not empty."""

from __future__ import annotations

from pydantic import BeforeValidator


def _not_empty(value: object) -> object:
    """Refuse an empty list by its raw length, whatever faults its items have."""
    if isinstance(value, list | tuple) and not value:
        text = "at least one item"
        raise ValueError(text)
    return value


AtLeastOne = BeforeValidator(_not_empty)
