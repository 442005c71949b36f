"""Bounds on weights, told in terms of the domains that the names of a recipe stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Targets = Mapping[str, tuple[str, ...]]


def renamed(free: Mapping[str, Any], table: Targets) -> dict[str, Any]:
    """Return the floors, ceilings and groups of a free mixture with names replaced by domains.

    Bounds on the weight of a name become bounds on the sum of its domains' weights. Where several
    names stand for one domain, bounds add up; a ceiling holds only where all of them have one.

    Args:
        free: decoded, and found valid.
        table: domains by name.
    """
    ceilings = {
        name: ceiling
        for name, ceiling in free.get("ceilings", {}).items()
        if _sharers(name, table) <= free["ceilings"].keys()
    }
    low, low_groups = _moved(free.get("floors", {}), table, "floor")
    high, high_groups = _moved(ceilings, table, "ceiling")
    groups = [_group(each, table) for each in free.get("groups", ())] + low_groups + high_groups
    found: dict[str, Any] = {
        "floors": low,
        "ceilings": {name: min(1.0, ceiling) for name, ceiling in high.items()},
        "groups": groups,
    }
    return {key: given for key, given in found.items() if given or key in free}


def _moved(
    bounds: Mapping[str, float], table: Targets, kind: str
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return bounds on domains, and bounds on sums for names that stand for several."""
    single: dict[str, float] = {}
    groups: list[dict[str, Any]] = []
    for name, bound in bounds.items():
        targets = table.get(name, (name,))
        if len(targets) == 1:
            single[targets[0]] = single.get(targets[0], 0.0) + bound
        else:
            groups.append({"of": list(targets), kind: bound})
    return single, groups


def _group(group: Mapping[str, Any], table: Targets) -> dict[str, Any]:
    if group.get("of") is None:
        return dict(group)
    targets = [target for name in group["of"] for target in table.get(name, (name,))]
    return {**group, "of": list(dict.fromkeys(targets))}


def _sharers(name: str, table: Targets) -> set[str]:
    """Return the names that stand for some domain that a name stands for, itself among them."""
    mine = set(table.get(name, (name,)))
    return {name} | {other for other, targets in table.items() if mine & set(targets)}
