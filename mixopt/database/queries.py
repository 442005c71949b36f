"""Named SQL: statements kept in `.sql` files under `-- name: ...` headings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

_HEADING = re.compile(r"^--\s*name:(.*)$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def load_queries(package: str) -> Mapping[str, str]:
    """Return the named statements of all `.sql` files in a package folder.

    Args:
        package: a dotted folder name such as `mixopt.catalog.sql`; its folder `migrations` is
            not read here.

    Raises:
        ValueError: a name is missing, malformed or given twice, or a statement is empty.
    """
    found: dict[str, str] = {}
    for name, text in sql_files(files(package)):
        for query, statement in parse_queries(text, file=name).items():
            if query in found:
                message = f"{name}: the query '{query}' is defined twice in {package}"
                raise ValueError(message)
            found[query] = statement
    return MappingProxyType(found)


def sql_files(folder: Traversable) -> list[tuple[str, str]]:
    """Return (file name, text) of the `.sql` files in a folder, by name."""
    return [
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    ]


def parse_queries(text: str, *, file: str) -> dict[str, str]:
    """Split the text of one `.sql` file at its headings; `file` names it in errors.

    Raises:
        ValueError: as for `load_queries`.
    """
    before, *parts = _HEADING.split(text)
    if _without_comments(before):
        message = f"{file}: a statement stands above the first '-- name:' heading"
        raise ValueError(message)
    found: dict[str, str] = {}
    for raw_name, statement in zip(parts[::2], parts[1::2], strict=True):
        name = raw_name.strip()
        if not _NAME.fullmatch(name):
            message = f"{file}: '{name}' is no name for a query"
            raise ValueError(message)
        if name in found:
            message = f"{file}: the query '{name}' is defined twice"
            raise ValueError(message)
        if not _without_comments(statement):
            message = f"{file}: the query '{name}' has no statement"
            raise ValueError(message)
        found[name] = statement.strip()
    return found


def _without_comments(text: str) -> str:
    return re.sub(r"--.*", "", text).strip()
