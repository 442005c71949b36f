"""Owns the table of task families and the look-up of one by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from mixopt.errors import NotFoundError
from mixopt.tasks import (
    addition,
    arithmetic,
    comparison,
    copying,
    counting,
    editing,
    recall,
    sorting,
)
from mixopt.tasks.family import Family

_MODULES = (addition, arithmetic, comparison, copying, counting, editing, recall, sorting)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in sorted((module.FAMILY for module in _MODULES), key=lambda each: each.name)
    }
)
"""Every task family by its name, in alphabetical order."""


def find_family(name: str) -> Family:
    """Return the family of a name, or raise NotFoundError with the nearest spelling."""
    if name in FAMILIES:
        return FAMILIES[name]
    nearest = get_close_matches(name, FAMILIES, n=1)
    what = f"there is no task family '{name}'"
    raise NotFoundError(
        what,
        why=f"Did you mean '{nearest[0]}'?" if nearest else "",
        remedy=f"Families: {', '.join(FAMILIES)}.",
    )
