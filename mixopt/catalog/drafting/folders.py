"""Files that lie somewhere, as folders that become domains and by the reader that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from mixopt.catalog.locations import File, Storage, files_below, is_remote
from mixopt.catalog.readers.dispatch import INCLUDE
from mixopt.errors import NotFoundError

READERS = (
    "mds",
    "parquet",
    "arrow",
    "webdataset",
    "jsonl",
    "megatron",
    "tokens",
    "text",
    "code",
)
"""Readers in the order in which they claim files."""

_SPLITS = frozenset({"train", "test", "validation", "valid", "val", "dev", "eval"})
_METADATA: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "mds": frozenset({"index.json"}),
        "arrow": frozenset({"state.json", "dataset_info.json", "dataset_dict.json"}),
    }
)
"""JSON files that lie beside the files of a reader and describe them."""

Listed = tuple[str, File]  # path below the folder, file


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """Files that lie together and become a domain.

    Attributes:
        name: of the folder, or of a single file without its suffixes.
        path: the folder or single file, as a source names it.
        is_file: whether it is a single file.
        files: files by the reader that reads them, with their path below the folder; hidden files
            and those whose names cannot be printed are not among them.
        exclude: globs of what else lies below the path and becomes domains of its own.
        others: how many files no reader reads, by suffix.
    """

    name: str
    path: str
    is_file: bool
    files: Mapping[str, tuple[Listed, ...]]
    exclude: tuple[str, ...]
    others: Mapping[str, int]


def find_folders(location: str, storage: Storage = ()) -> list[Folder]:
    """Return the folders of a location that become domains.

    That is every folder in it, and the location itself for the files that lie in it directly; where
    it only holds one folder, that one takes its place. Folders that are splits of one dataset, such
    as `train` and `test`, stay together.

    Raises:
        NotFoundError: there is nothing there.
        CatalogError: a remote location cannot be reached.
    """
    place = location.rstrip("/") if is_remote(location) else str(Path(location).resolve())
    listed = _listed(location, place, storage)
    if listed[0][0] == "":
        return [_folder(place, [(place.rpartition("/")[2], listed[0][1])], is_file=True)]
    while len(heads := {below.partition("/")[0] for below, _ in listed}) == 1:
        (head,) = heads
        if any("/" not in below for below, _ in listed) or head in _SPLITS:
            break
        place, listed = f"{place}/{head}", [(_rest(below), file) for below, file in listed]
    return _divided(place, listed)


def _listed(location: str, place: str, storage: Storage) -> list[Listed]:
    what, why = f"no file in {location}", ""
    try:
        listed = [pair for pair in files_below(place, storage) if _is_shown(pair[0])]
    except (FileNotFoundError, PermissionError) as error:  # no such bucket, or a closed one
        listed, why = [], str(error)
    if not listed:
        raise NotFoundError(what, why=why, remedy="Check the path or URL, and the credentials.")
    return listed


def reader_of(below: str) -> str | None:
    """Return the reader of a file, by its name."""
    name = below.rpartition("/")[2]
    for reader in READERS:
        if any(fnmatchcase(name, glob) for glob in INCLUDE[reader]):
            return reader
    return None


def _divided(place: str, listed: Sequence[Listed]) -> list[Folder]:
    inner: dict[str, list[Listed]] = {}
    for below, file in listed:
        head, slash, _ = below.partition("/")
        inner.setdefault(head if slash else "", []).append((below, file))
    direct = inner.pop("", [])
    if inner.keys() <= _SPLITS:
        return [_folder(place, listed)]
    folders = [
        _folder(f"{place}/{head}", [(_rest(below), file) for below, file in inner[head]])
        for head in sorted(inner)
    ]
    if direct:
        folders.insert(0, _folder(place, direct, tuple(f"{head}/*" for head in sorted(inner))))
    return folders


def _folder(
    path: str, listed: Iterable[Listed], exclude: tuple[str, ...] = (), *, is_file: bool = False
) -> Folder:
    files: dict[str, list[Listed]] = {}
    others: dict[str, int] = {}
    names = {below for below, _ in listed}
    for below, file in sorted(listed, key=lambda pair: pair[0]):
        reader = reader_of(below)
        if below.endswith(".idx") and f"{below.removesuffix('.idx')}.bin" in names:
            continue  # Megatron's index is read with the file it belongs to.
        if reader is None:
            kind = Path(below).suffix or "no suffix"
            others[kind] = others.get(kind, 0) + 1
        else:
            files.setdefault(reader, []).append((below, file))
    described = {name for reader in files for name in _METADATA.get(reader, ())}
    files["jsonl"] = [
        pair for pair in files.get("jsonl", ()) if pair[0].rpartition("/")[2] not in described
    ]
    name = path.rpartition("/")[2]
    return Folder(
        name=name.partition(".")[0] if is_file else name,
        path=path,
        is_file=is_file,
        files={reader: tuple(found) for reader, found in files.items() if found},
        exclude=exclude,
        others=others,
    )


def _is_shown(below: str) -> bool:
    """Return whether a file is neither hidden nor has a name that a recipe cannot write."""
    hidden = any(part.startswith((".", "__pycache__")) for part in below.split("/"))
    return not hidden and below.isprintable()


def _rest(below: str) -> str:
    return below.partition("/")[2]
