"""What tables, columns and functions mean: the comments that stand beside them in `.sql` files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_STATEMENT = re.compile(
    r"\s*(?P<verb>create (?:temp )?(?:table|view|macro)|alter table|drop table)\s+"
    r'"?(?P<name>\w+)"?(?P<rest>.*)',
    re.IGNORECASE,
)
_ADDED = re.compile(r"\s+add column\s+(?P<column>.*)", re.IGNORECASE)
_COLUMN_OF_TABLE = re.compile(r'\s*"?(?P<name>\w+)"?\s+[^-]*--\s*(?P<meaning>.*)')
_COLUMN_OF_VIEW = re.compile(r'.*?"?(?P<name>\w+)"?,?\s*--\s*(?P<meaning>.*)')
_COMMENT = re.compile(r"-- (?!name:)(?P<text>.*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What one thing means.

    Attributes:
        relation: a table or view; None for a function.
        name: a column or function; None for the relation itself.
        meaning: what it is.
    """

    relation: str | None
    name: str | None
    meaning: str


def read_meanings(texts: Iterable[str]) -> list[Meaning]:
    """Return what the comments of `.sql` texts say, in order; later texts override earlier ones.

    A comment right above a statement tells of what the statement makes, one at the end of a
    column's line of that column.
    """
    found: dict[tuple[str | None, str | None], str] = {}
    for text in texts:
        for meaning in _meanings(text):
            found[meaning.relation, meaning.name] = meaning.meaning
    return [
        Meaning(relation=relation, name=name, meaning=meaning)
        for (relation, name), meaning in found.items()
    ]


def _meanings(text: str) -> Iterator[Meaning]:
    above: list[str] = []
    relation = ""
    column = _COLUMN_OF_TABLE
    for line in text.splitlines():
        comment = _COMMENT.fullmatch(line)
        if comment:
            above.append(comment["text"])
            continue
        statement = _STATEMENT.fullmatch(line)
        if statement:
            verb = statement["verb"].lower()
            yield from _of_statement(verb, statement["name"], " ".join(above))
            relation = "" if verb.endswith("macro") else statement["name"]
            added = _ADDED.fullmatch(statement["rest"])
            line = added["column"] if added else ""  # noqa: PLW2901 - what is left of it
            if added and above:
                line += "  -- " + " ".join(above)  # noqa: PLW2901
            column = _COLUMN_OF_VIEW if "view" in verb else _COLUMN_OF_TABLE
        match = column.fullmatch(line)
        if match and relation:
            yield Meaning(relation=relation, name=match["name"], meaning=match["meaning"])
        above = []


def _of_statement(verb: str, name: str, comment: str) -> Iterator[Meaning]:
    if not comment or not verb.startswith("create"):
        return
    if verb.endswith("macro"):
        yield Meaning(relation=None, name=name, meaning=comment)
    else:
        yield Meaning(relation=name, name=None, meaning=comment)
