"""Which files a source names, in an order that neither the file system nor their folder decides."""

from __future__ import annotations

import hashlib
import os
import re
import sysconfig
from collections.abc import Iterator, Sequence
from fnmatch import translate
from pathlib import Path

from mixopt.catalog.readers.registry import DEFAULT_INCLUDE
from mixopt.catalog.sources import FileSource
from mixopt.errors import CatalogError


def find_files(source: FileSource, *, domain: str, recipe_file: Path) -> list[Path]:
    """Return the files of a source, ordered by the hash of their path below the source's folder.

    That order is the same on every machine and mixes the folders, so that a source that is cut to
    a limit is still spread over all of it.

    Raises:
        CatalogError: there is no such file or folder, or no file in it matches.
    """
    root = expand(source.path, recipe_file)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise _nothing_found(source, domain, recipe_file, f"There is no file or folder {root}.")
    include = source.include or DEFAULT_INCLUDE[source.reader]
    names = _matching(root, include, source.exclude)
    if not names:
        reason = f"No file in {root} matches {', '.join(include)}"
        reason += f" without matching {', '.join(source.exclude)}." if source.exclude else "."
        raise _nothing_found(source, domain, recipe_file, reason)
    return [root / name for name in sorted(names, key=_hash_order)]


def expand(path: str, recipe_file: Path) -> Path:
    """Return the absolute path that a source's path stands for."""
    places = {
        "{stdlib}": sysconfig.get_path("stdlib"),
        "{site_packages}": sysconfig.get_path("purelib"),
        "{recipe}": str(recipe_file.resolve().parent),
    }
    for placeholder, place in places.items():
        path = path.replace(placeholder, place)
    return (recipe_file.resolve().parent / Path(path).expanduser()).resolve()


def _matching(root: Path, include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the matching files' paths below the root, with `/` between the parts.

    A glob is held against the whole path and against the file's name; `*` also stands for `/`.
    """
    wanted, unwanted = _compiled(include), _compiled(exclude)
    return [
        relative
        for relative in _relative_paths(root)
        if _matches(wanted, relative) and not _matches(unwanted, relative)
    ]


def _compiled(globs: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(glob) for glob in globs)) if globs else None


def _matches(pattern: re.Pattern[str] | None, relative: str) -> bool:
    if pattern is None:
        return False
    return bool(pattern.match(relative) or pattern.match(relative.rpartition("/")[2]))


def _relative_paths(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in names)


def _hash_order(relative: str) -> bytes:
    return hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()


def _nothing_found(source: FileSource, domain: str, recipe_file: Path, reason: str) -> CatalogError:
    return CatalogError(
        f"{recipe_file}: domain '{domain}': the {source.reader} source '{source.path}' has no files",
        why=reason,
        remedy="Mend its path, include or exclude.",
    )
