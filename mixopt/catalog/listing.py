"""Which files a source names, in an order that neither the file system nor their folder decides."""

from __future__ import annotations

import hashlib
import posixpath
import re
import sysconfig
from collections.abc import Callable, Sequence
from fnmatch import translate
from pathlib import Path

from mixopt.catalog.locations import File, Storage, files_below, is_remote
from mixopt.catalog.readers.dispatch import INCLUDE
from mixopt.catalog.readers.hub import hub_files
from mixopt.catalog.sources import FileSource, HubSource
from mixopt.errors import CatalogError


def list_files(source: FileSource, *, domain: str, recipe_file: Path) -> list[File]:
    """Return the files of a source, ordered by the hash of their path below the source's folder.

    That order is the same on every machine and mixes the folders, so that a source that is cut to
    a limit is still spread over all of it.

    Raises:
        CatalogError: there is no such file or folder, no file in it matches, or it cannot be
            reached.
    """
    if isinstance(source, HubSource):
        return _hub_files(source, domain, recipe_file)
    root = expand(source.path, recipe_file)
    storage: Storage = tuple(sorted(source.storage.items()))
    include = source.include or INCLUDE[source.reader]
    is_wanted = _chooser(include, source.exclude)
    try:
        files = list(files_below(root, storage, is_wanted))
    except OSError as error:
        raise _nothing_found(source, domain, recipe_file, f"{error}.") from error
    if not files and not _is_there(root, storage):
        raise _nothing_found(source, domain, recipe_file, f"There is no file or folder {root}.")
    if not files:
        reason = f"No file in {root} matches {', '.join(include)}"
        reason += f" without matching {', '.join(source.exclude)}." if source.exclude else "."
        raise _nothing_found(source, domain, recipe_file, reason)
    return _ordered(files)


def expand(path: str, recipe_file: Path) -> str:
    """Return the absolute path that a source's path stands for; a URL stands for itself."""
    if "://" in path:
        return path
    places = {
        "{stdlib}": sysconfig.get_path("stdlib"),
        "{site_packages}": sysconfig.get_path("purelib"),
        "{recipe}": str(recipe_file.resolve().parent),
    }
    for placeholder, place in places.items():
        path = path.replace(placeholder, place)
    return str((recipe_file.resolve().parent / Path(path).expanduser()).resolve())


def _hub_files(source: HubSource, domain: str, recipe_file: Path) -> list[File]:
    """Return the files of a split; their order is by their paths below the folder of all."""
    local = expand(source.path, recipe_file)
    if Path(local).is_dir():
        source = source.model_copy(update={"path": local})
    files = hub_files(source)
    folder = posixpath.dirname(posixpath.commonprefix([file.location for file in files]))
    below = [(file.location.removeprefix(folder).strip("/"), file) for file in files]
    is_wanted = _chooser(source.include or ("*",), source.exclude)
    matching = [pair for pair in below if not pair[0] or is_wanted(pair[0])]
    if not matching:
        reason = f"No file of the split '{source.hub_split}' is left by include and exclude."
        raise _nothing_found(source, domain, recipe_file, reason)
    return _ordered(matching)


def _is_there(root: str, storage: Storage) -> bool:
    """Return whether there is a folder or file; a remote folder is the files in it."""
    if is_remote(root):
        return next(iter(files_below(root, storage)), None) is not None
    return Path(root).is_dir()


def _chooser(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells by its path below the source's folder whether a file is wanted.

    A glob is held against the whole path and against the file's name; `*` also stands for `/`. A
    folder that cannot be read is kept, as nobody knows what is in it.
    """
    wanted, unwanted = _matcher(include), _matcher(exclude)
    return lambda below: (wanted(below) or below.endswith("/")) and not unwanted(below)


def _matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    if not globs:
        return lambda _: False
    match = re.compile("|".join(translate(glob) for glob in globs)).match
    return lambda below: bool(match(below) or match(below.rpartition("/")[2]))


def _ordered(files: Sequence[tuple[str, File]]) -> list[File]:
    return [file for _, file in sorted(files, key=lambda pair: _hash(pair[0]))]


def _hash(below: str) -> bytes:
    return hashlib.sha256(below.encode("utf-8", "surrogateescape")).digest()


def _nothing_found(source: FileSource, domain: str, recipe_file: Path, reason: str) -> CatalogError:
    return CatalogError(
        f"{recipe_file}: domain '{domain}': the {source.reader} source '{source.path}' has no files",
        why=reason,
        remedy="Mend its path, include or exclude.",
    )
