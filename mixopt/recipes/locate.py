"""Where recipes are: a path the user gives, or a name among those that ship with mixopt."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from mixopt.errors import NotFoundError

_PACKAGE = Path(__file__).resolve().parents[1]
KINDS = ("proxies", "schedules", "catalogs")


def locate(name_or_path: str, kind: str, *, ending: str = ".toml") -> Path:
    """Return the recipe file that a path or a shipped name stands for.

    Args:
        name_or_path: a path to a file, or the name of a shipped recipe such as `demo`.
        kind: `proxies`, `schedules` or `catalogs`.
        ending: of shipped files; `.sql` for queries among the catalogs.

    Raises:
        NotFoundError: neither a file nor a shipped recipe has that name.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = shipped(kind, ending=ending)
    if name_or_path in names:
        return shelf(kind) / f"{name_or_path}{ending}"
    near = get_close_matches(name_or_path, names, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    sort = f"{kind} recipe" if ending == ".toml" else "query"
    message = f"no {sort} '{name_or_path}'"
    raise NotFoundError(
        message,
        why="It is neither a file nor the name of one that is shipped.",
        remedy=f"{hint}Shipped: {', '.join(names) or 'none'}.",
    )


def shipped(kind: str, *, ending: str = ".toml") -> list[str]:
    """Return the names of the recipes of one kind that come with mixopt, sorted."""
    return sorted(path.stem for path in shelf(kind).glob(f"*{ending}"))


def shelf(kind: str) -> Path:
    """Return the folder of one kind of shipped recipe: in the wheel, or in the checkout."""
    inside = _PACKAGE / "_shipped" / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind
