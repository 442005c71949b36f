"""The table of families."""

from __future__ import annotations

import pytest

from mixopt.errors import NotFoundError
from mixopt.tasks.registry import FAMILIES, find_family

_NAMES = [
    "addition",
    "arithmetic",
    "comparison",
    "copying",
    "counting",
    "editing",
    "recall",
    "sorting",
]


def test_families_are_sorted_and_know_their_names() -> None:
    assert list(FAMILIES) == _NAMES
    assert [family.name for family in FAMILIES.values()] == _NAMES
    assert all(family.levels[0] == 1 for family in FAMILIES.values())


def test_find_family_by_name() -> None:
    assert find_family("recall") is FAMILIES["recall"]
    with pytest.raises(NotFoundError, match="Did you mean 'recall'"):
        find_family("recal")
    with pytest.raises(NotFoundError, match="no task family 'zzz'\nFamilies: addition"):
        find_family("zzz")
