"""What values of a catalog recipe keep to: lists are not empty, and measurements may be off."""

from __future__ import annotations

from pydantic import BeforeValidator


def _not_empty(value: object) -> object:
    """Refuse an empty list by its raw length, whatever faults its items have."""
    if isinstance(value, list | tuple) and not value:
        text = "at least one item"
        raise ValueError(text)
    return value


def _off(value: object) -> object:
    """Take `false` for nothing, which TOML cannot say."""
    return None if value is False else value


AtLeastOne = BeforeValidator(_not_empty)
Off = BeforeValidator(_off)
