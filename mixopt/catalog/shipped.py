"""Queries that are kept in files: what they ask, what can be set in them, and their statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, get_args

from mixopt.errors import QueryError
from mixopt.recipes.locate import locate, shelf, shipped

Kind = Literal["text", "number", "count"]

_PARAMETER: Final = re.compile(
    r"--\s*\$(?P<name>\w+)\s*\((?P<kind>\w+)\)\s*(?:=\s*(?P<preset>[^:]+?)\s*)?:\s*(?P<meaning>.*)"
)
_COUNT: Final = re.compile(r"\s*(?P<number>[0-9][0-9_.]*(?:e[+]?[0-9]+)?)\s?(?P<unit>[kKMBGT]?)\s*")
_UNITS: Final = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """What can be set in a query.

    Attributes:
        name: without the `$`.
        kind: text, a number, or a count such as `20B`.
        preset: the value where none is given; None if one has to be.
        meaning: what it is.
    """

    name: str
    kind: Kind
    preset: str | None
    meaning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptQuery:
    """A query from a file.

    Attributes:
        name: the file's name without its ending.
        question: what it answers: the comment that the file begins with.
        parameters: what can be set; `-- $name (kind) = preset: meaning` in the file.
        sql: the whole text.
    """

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str


def shipped_queries() -> list[KeptQuery]:
    """Return the queries that come with mixopt, by name."""
    folder = shelf("catalogs")
    return [read_query(folder / f"{name}.sql") for name in shipped("catalogs", ending=".sql")]


def find_query(name: str) -> KeptQuery:
    """Return the query that comes with mixopt under a name.

    Raises:
        NotFoundError: there is none; names the nearest.
    """
    return read_query(locate(name, "catalogs", ending=".sql"))


def read_query(path: Path) -> KeptQuery:
    """Read a query from a file.

    Raises:
        QueryError: the file cannot be read, or a parameter is of no known kind.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        what = f"{path} cannot be read"
        raise QueryError(what, why=str(cause)) from cause
    lines = text.splitlines()
    matches = [_PARAMETER.fullmatch(line) for line in lines]
    first = lines[0] if lines else ""
    return KeptQuery(
        name=path.stem,
        question=first.removeprefix("--").strip() if first.startswith("--") else "",
        parameters=tuple(_parameter(match, path) for match in matches if match),
        sql=text,
    )


def bind(query: KeptQuery, given: Sequence[str]) -> dict[str, object]:
    """Return the values of a query's parameters: those given, else their presets.

    Args:
        query: the query. One without declared parameters takes any: counts and numbers where they
            look like it, else text.
        given: `name=value` each.

    Raises:
        QueryError: a value is missing, malformed, or of no parameter.
    """
    values = _split(given)
    known = {parameter.name: parameter for parameter in query.parameters}
    if not known:
        return {name: _guessed(value) for name, value in values.items()}
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            what = f"'{query.name}' has no parameter '{name}'"
            hint = f"Did you mean '{near[0]}'? " if near else ""
            raise QueryError(what, remedy=f"{hint}It has: {', '.join(known)}.")
    return {name: _value(each, values, query.name) for name, each in known.items()}


def _value(parameter: Parameter, values: Mapping[str, str], query: str) -> object:
    text = values.get(parameter.name, parameter.preset)
    if text is None:
        what = f"'{query}' needs a value for '{parameter.name}': {parameter.meaning}"
        raise QueryError(what, remedy=f"Give it: --set {parameter.name}=...")
    if parameter.kind == "text":
        return text
    found = _guessed(text)
    if isinstance(found, str):
        what = f"'{parameter.name}' has to be a {parameter.kind}, not '{text}'"
        raise QueryError(what, why=parameter.meaning)
    return found


def _guessed(text: str) -> object:
    """Return a count or number, whole where it is; else the text itself."""
    try:
        match = _COUNT.fullmatch(text)
        number = float(match["number"]) * _UNITS[match["unit"].upper()] if match else float(text)
        return int(number) if number == int(number) else number
    except (ValueError, OverflowError):
        return text


def _split(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            what = f"'{text}' sets nothing"
            raise QueryError(what, remedy="Write NAME=VALUE, such as --set domain=web.")
        found[name.strip()] = value
    return found


def _parameter(match: re.Match[str], path: Path) -> Parameter:
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
    if match["kind"] not in kinds:
        what = f"{path}: '{match['kind']}' is no kind of parameter"
        raise QueryError(what, remedy=f"Kinds are {', '.join(kinds)}.")
    return Parameter(
        name=match["name"],
        kind=kinds[match["kind"]],
        preset=match["preset"],
        meaning=match["meaning"],
    )
