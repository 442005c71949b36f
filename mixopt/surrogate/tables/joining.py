"""Joining two sheets by a key that both have, and names that are meant but not quite written."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from mixopt.errors import LawError, NotFoundError
from mixopt.surrogate.tables.sheets import Faults, Sheet

_KEYS: Final = ("run", "index", "name")  # in this order where several would do
_MOST_NAMED: Final = 6


def find_key(left: Sheet, right: Sheet, given: str | None) -> str:
    """Return the column that both sheets are joined by.

    Raises:
        NotFoundError: the one that was named is missing.
        LawError: no column of both tells the rows apart.
    """
    if given is not None:
        for sheet in (left, right):
            find_name(given, sheet.columns, sheet.columns, f"column in {sheet.path.name}")
        return given
    common = [name for name in left.columns if name in right.columns]
    labels = [name for name in common if left.is_label(name) and right.is_label(name)]
    order = [*_KEYS, *(name for name in labels if name not in (*_KEYS, "")), ""]
    found = [name for name in order if name in labels]
    complete = [n for n in found if _is_unique(left, n) and _is_unique(right, n)]
    if complete:
        return max(complete, key=lambda name: len({*left.texts(name)} & {*right.texts(name)}))
    if found:
        return found[0]
    message = f"{left.path.name} and {right.path.name} have no key in common"
    why = f"One has {some(left.columns)}; the other {some(right.columns)}."
    remedy = "Give both a column `run`, `index` or `name`, or say which with --key."
    raise LawError(message, why=why, remedy=remedy)


def joined(
    left: Sheet, right: Sheet, key: str | None, faults: Faults
) -> tuple[list[int], list[int]]:
    """Return the rows of both sheets that belong together; notes keys that stand twice."""
    if right is left or key is None:
        every = list(range(left.num_rows))
        return every, every
    places = []
    for sheet in (left, right):
        place: dict[str, list[int]] = {}
        for row, text in enumerate(sheet.texts(key)):
            place.setdefault(text, []).append(row)
        twice = [
            f"{sheet.path.name}: {key} '{text}' stands in rows "
            f"{', '.join(str(row + 1) for row in rows)}"
            for text, rows in place.items()
            if len(rows) > 1
        ]
        faults.add_all(twice, sheet.path.name)
        places.append({text: rows[0] for text, rows in place.items()})
    both = [text for text in places[0] if text in places[1]]
    if not both:
        first = [next(iter(place)) for place in places]
        faults.add(
            f"{left.path.name} and {right.path.name} have no {key} in common, such as "
            f"'{first[0]}' and '{first[1]}'"
        )
    return [places[0][text] for text in both], [places[1][text] for text in both]


def one_sided(
    left: Sheet, right: Sheet, key: str | None, rows: list[int], others: list[int]
) -> list[str]:
    """Return notes on rows that only one of the files has."""
    if right is left or key is None:
        return []
    found = [
        f"joined by '{key}': {len(rows)} runs" if key else f"joined by row number: {len(rows)}"
    ]
    for sheet, kept, other in ((left, rows, right), (right, others, left)):
        texts = sheet.texts(key)
        lone = [texts[row] for row in sorted(set(range(sheet.num_rows)) - set(kept))]
        if lone:
            what = "1 run" if len(lone) == 1 else f"{len(lone)} runs"
            found.append(
                f"left out {what} of {sheet.path.name} not in {other.path.name}: {some(lone)}"
            )
    return found


def label_of(sheet: Sheet) -> str | None:
    """Return the column that names the rows of a single file."""
    labels = [name for name in sheet.columns if sheet.is_label(name)]
    return next((n for n in labels if len(set(sheet.texts(n))) == sheet.num_rows), None)


def find_name(name: str, names: Sequence[str], also: Sequence[str], what: str) -> str:
    """Return the name that is meant: one of `names`, or the one at the same place of `also`.

    Raises:
        NotFoundError: there is none; names the nearest.
    """
    for known in (names, also):
        if name in known:
            return names[list(known).index(name)]
    near = get_close_matches(name, [*names, *also], n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    listed = ", ".join(names[:30]) + (" ..." if len(names) > 30 else "")
    message = f"the table has no {what} '{name}'"
    raise NotFoundError(message, remedy=f"{hint}There are {listed}.")


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many others there are."""
    listed = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{listed} and {more} more" if more > 0 else listed


def _is_unique(sheet: Sheet, column: str) -> bool:
    return len(set(sheet.texts(column))) == sheet.num_rows
