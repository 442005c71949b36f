"""What became of the domains between two catalogs, and old runs told in terms of the new domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mixopt import atomic
from mixopt.catalog.inventory import Inventory
from mixopt.errors import StudyError
from mixopt.recipes.decode import Recipe
from mixopt.surrogate.features import Features

FILE: Final = "change.json"

Parts = Mapping[str, tuple[str, ...]]
_NONE: Final[Parts] = {}


class Change(Recipe):
    """What became of the domains of an earlier study; every domain is named once on each side."""

    kept: tuple[str, ...]  # the same documents under the same name
    changed: tuple[str, ...] = ()  # the same name, other documents
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    split: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # old name -> new names
    merged: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # new name -> old names

    @property
    def affected(self) -> tuple[str, ...]:
        """The new catalog's domains that are not as they were."""
        parts = [name for names in self.split.values() for name in names]
        return (*self.changed, *self.added, *parts, *self.merged)


def find_change(
    old: Inventory, new: Inventory, split: Parts = _NONE, merged: Parts = _NONE
) -> Change:
    """Compare two catalogs; what is in one alone was added or removed unless it is named.

    Args:
        old: of the earlier study.
        new: of the study that goes on.
        split: old name -> new names.
        merged: new name -> old names.

    Raises:
        StudyError: a name is not in the catalog or is named twice, nothing has changed, or nothing
            is as it was.
    """
    before, after = _named(split, merged), _named(merged, split)
    _check_names(before, old, "old")
    _check_names(after, new, "new")
    hashes = {each.name: each.content_hash for each in old.domains if each.name not in before}
    fresh = {each.name: each.content_hash for each in new.domains if each.name not in after}
    common = [name for name in fresh if name in hashes]
    kept = tuple(name for name in common if hashes[name] == fresh[name])
    change = Change(
        kept=kept,
        changed=tuple(name for name in common if name not in kept),
        added=tuple(name for name in fresh if name not in hashes),
        removed=tuple(name for name in hashes if name not in fresh),
        split=dict(split),
        merged=dict(merged),
    )
    _check_change(change, old, new)
    return change


def write_change(folder: Path, change: Change) -> None:
    """Keep with a study what became of the domains of the one before it."""
    atomic.write(folder / FILE, change.model_dump_json(indent=2) + "\n")


def read_change(folder: Path) -> Change | None:
    """Return what a study keeps of that; None for a study that extends no other.

    Raises:
        StudyError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Change.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what = f"{path} is damaged"
        raise StudyError(
            what, why=str(error), remedy="Run the `mixopt study extend` that made it again."
        ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """Old runs over new domains."""

    features: Features
    lost: NDArray[np.float64]  # [N] share of the lm tokens that was of domains that are gone


def translated(features: Features, change: Change, new: Inventory) -> Translated:
    """Return the features of old runs over the text domains of a new catalog.

    An added domain has weight 0 in them, one that was split is divided by supply, those that were
    merged are summed. What went to domains that are gone is shared out in proportion, as if these
    had been worth as much as the rest: a run that `lost` much says little.

    Args:
        features: N runs over the old domains.
        change: what became of these.
        new: the catalog that is asked about.

    Raises:
        StudyError: some run drew all tokens of a stage from domains that are gone.
    """
    domains = new.names("text")
    shares = _shares(features.domains, domains, change, new)
    weights = features.weights @ shares
    whole = weights.sum(axis=-1, keepdims=True)
    if np.any(whole <= 0):
        what = "an earlier run drew all tokens of a stage from domains that are gone"
        raise StudyError(
            what,
            why=f"Gone: {', '.join(change.removed)}.",
            remedy="Name what became of them with --split or --merge, or begin a new study.",
        )
    known = features.total_tokens[0] if features.num_rows else 0.0
    supply = new.supply(domains)
    found = replace(
        features,
        domains=domains,
        weights=weights / whole,
        passes=np.array([known / supply[name] if supply[name] else 0.0 for name in domains]),
        groups=tuple(new.domain(name).provenance for name in domains),
    )
    lost = 1 - np.einsum("ns,ns->n", features.tokens, whole[..., 0])
    return Translated(features=found, lost=np.clip(lost, 0.0, 1.0))


def _shares(
    old: Sequence[str], domains: Sequence[str], change: Change, new: Inventory
) -> NDArray[np.float64]:
    """Return which share of every old domain each new one gets; [M old, M new]."""
    found = np.zeros((len(old), len(domains)))
    place = {name: number for number, name in enumerate(domains)}
    into = {part: name for name, parts in change.merged.items() for part in parts}
    for row, name in enumerate(old):
        targets = change.split.get(name, (into.get(name, name),))
        tokens = [new.supply([each])[each] if each in place else 0 for each in targets]
        total = sum(tokens)
        for target, count in zip(targets, tokens, strict=True):
            if target in place and name not in change.removed:
                found[row, place[target]] = count / total if total else 1 / len(targets)
    return found


def _named(keys: Parts, parts: Parts) -> list[str]:
    """Return what is named on one side: keys of the one table and parts of the other."""
    return [*keys, *(name for names in parts.values() for name in names)]


def _check_names(names: Sequence[str], inventory: Inventory, side: str) -> None:
    known = inventory.names()
    for name in names:
        if name not in known:
            what = f"the {side} catalog '{inventory.catalog}' has no domain '{name}'"
            raise StudyError(
                what,
                why=f"Domains: {', '.join(known)}.",
                remedy="--split is OLD=NEW,NEW and --merge is NEW=OLD,OLD.",
            )
        if names.count(name) > 1:
            what = f"--split and --merge name the {side} domain '{name}' twice"
            raise StudyError(what, why="It can become only one thing.")


def _check_change(change: Change, old: Inventory, new: Inventory) -> None:
    if not change.affected and not change.removed:
        what = f"no domain of catalog '{new.catalog}' differs from those of '{old.catalog}'"
        raise StudyError(
            what,
            why="The documents of all domains are the same.",
            remedy="Build a catalog of the new data, or go on with `mixopt study run`.",
        )
    if not change.kept:
        what = f"no domain of catalog '{old.catalog}' is left as it was"
        raise StudyError(
            what, why="There is nothing to freeze.", remedy="Begin a study with `mixopt study run`."
        )
