"""Locations of files, paths and fsspec URLs: what lies below one, and how a file is opened."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote_to_bytes

import xxhash

from mixopt.errors import CatalogError, MixoptError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Storage = tuple[tuple[str, str | int | bool], ...]

_LOCAL = "file://"
_HASHED_BYTES = 1 << 20
_READ_AHEAD_BYTES = 1 << 22
_BUFFER_BYTES = 1 << 18
# What file systems call the version of a file, the surest first.
_VERSIONS = ("ETag", "etag", "generation", "xet_hash", "blob_id", "LastModified", "Last-Modified")
_TIMES = ("last_modified", "updated", "mtime", "modified", "created")
_EXTRAS: Mapping[str, str] = MappingProxyType({"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"})


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file as it was listed.

    Attributes:
        location: absolute path, or URL such as `s3://bucket/key`; the path of a local file that
            is no valid Unicode is written as a `file://` URL.
        num_bytes: its size.
        modified: names its version where it lies: modification time in nanoseconds of a local
            file, the entity tag or time that a remote one gives.
        storage: options of its file system, as (name, value) pairs sorted by name; never secrets.
    """

    location: str
    num_bytes: int
    modified: str
    storage: Storage = ()


def is_remote(location: str) -> bool:
    """Return whether a location is the URL of anything but a local file."""
    return "://" in location and not location.startswith(_LOCAL)


def local_path(location: str) -> str:
    """Return the path of a location that is not remote."""
    if not location.startswith(_LOCAL):
        return location
    return os.fsdecode(unquote_to_bytes(location.removeprefix(_LOCAL)))


def file_at(location: str, storage: Storage = ()) -> File:
    """Return a file as it is now.

    Raises:
        CatalogError: it is gone, or cannot be reached.
    """
    if not is_remote(location):
        try:
            return _local_file(local_path(location), Path(local_path(location)).stat())
        except OSError as error:
            raise _unreadable(location, error) from error
    with _reported(location):
        system, name = _file_system(location, storage)
        system.invalidate_cache(name)
        return _remote_file(location, system.info(name), storage)


def files_below(
    location: str, storage: Storage = (), is_wanted: Callable[[str], bool] = bool
) -> Iterator[tuple[str, File]]:
    """Yield (path below the location, file) of every file in a folder, in no order.

    Of a local file that is not wanted, which its path below the location decides, only the name is
    looked at.

    A location that is a file gives itself, with an empty path. Links to folders are entered, but
    no folder is twice. A link to nothing and a folder that cannot be read, whose path ends in `/`, are
    listed as files, so that opening them tells what is wrong.

    Raises:
        CatalogError: a remote location cannot be reached.
    """
    if is_remote(location):
        found = _remote_files(location, storage)
        return (pair for pair in found if not pair[0] or is_wanted(pair[0]))
    root = local_path(location)
    if Path(root).is_dir():
        return _local_files(root, is_wanted)
    return iter([("", file_at(location))] if Path(root).exists() else [])


def open_file(file: File) -> BinaryIO:
    """Open a file for reading and seeking; a remote one is read ahead in blocks of 4 MiB.

    Raises:
        OSError: it is gone, closed to this user, or no regular file.
        CatalogError: the file system of a remote file fails, now or while the file is read.
    """
    if is_remote(file.location):
        with _reported(file.location):
            system, name = _file_system(file.location, file.storage)
            opened = system.open(name, "rb", block_size=_READ_AHEAD_BYTES, cache_type="readahead")
            return io.BufferedReader(_RemoteFile(opened, file.location), _BUFFER_BYTES)
    path = Path(local_path(file.location))
    if not stat.S_ISREG(path.stat().st_mode):  # Opening a pipe would wait for ever.
        what = "no regular file"
        raise OSError(what)
    return path.open("rb")


def checksum(file: File) -> str | None:
    """Return the XXH3 hash (128 bits, in hexadecimal) of a local file's bytes, else nothing.

    Raises:
        OSError: it cannot be read.
    """
    if is_remote(file.location):
        return None
    digest = xxhash.xxh3_128()
    with open_file(file) as opened:
        while chunk := opened.read(_HASHED_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class _RemoteFile(io.RawIOBase):
    """A file of fsspec whose failures are errors of the catalog: the input is not to blame."""

    def __init__(self, opened: Any, location: str) -> None:  # noqa: ANN401 - of any file system
        self._opened = opened
        self._location = location

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        with _reported(self._location):
            data = self._opened.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._opened.seek(offset, whence))

    def tell(self) -> int:
        return int(self._opened.tell())

    def close(self) -> None:
        self._opened.close()
        super().close()


def _local_files(root: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, File]]:
    """Walk real folders first, so that the path of a file does not depend on links to it."""
    folders, links, entered = [("", root)], list[tuple[str, str]](), set[tuple[int, int]]()
    while folders or links:
        prefix, folder = folders.pop() if folders else links.pop()
        try:
            found = Path(folder).stat()
            if (found.st_dev, found.st_ino) in entered:
                continue
            entered.add((found.st_dev, found.st_ino))
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError:
            if not prefix or is_wanted(prefix):
                yield prefix, File(location=_location(folder), num_bytes=0, modified="")
            continue
        for entry in listed:
            if _is_folder(entry):
                kind = links if entry.is_symlink() else folders
                kind.append((f"{prefix}{entry.name}/", entry.path))
            elif is_wanted(below := prefix + entry.name):
                yield below, _entry_file(entry)
        links.sort(reverse=True)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _entry_file(entry: os.DirEntry[str]) -> File:
    try:
        return _local_file(entry.path, entry.stat())
    except OSError:  # a link to nothing or to itself
        return File(location=_location(entry.path), num_bytes=0, modified="")


def _local_file(path: str, found: os.stat_result) -> File:
    return File(location=_location(path), num_bytes=found.st_size, modified=str(found.st_mtime_ns))


def _location(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).as_uri()
    return path


def _remote_files(url: str, storage: Storage) -> Iterator[tuple[str, File]]:
    with _reported(url):
        system, root = _file_system(url, storage)
        system.invalidate_cache(root)
        listing = system.find(root, detail=True)
        for name, found in listing.items():
            below = name.removeprefix(root.rstrip("/")).lstrip("/")
            yield below, _remote_file(system.unstrip_protocol(name), found, storage)


def _remote_file(url: str, found: Mapping[str, Any], storage: Storage) -> File:
    version = next((found[key] for key in (*_VERSIONS, *_TIMES) if found.get(key)), "")
    if isinstance(version, datetime):  # Some file systems list seconds, yet tell of one file so.
        version = version.timestamp()
    return File(
        location=url,
        num_bytes=int(found.get("size") or 0),
        modified=str(version),
        storage=storage,
    )


def _file_system(url: str, storage: Storage) -> tuple[Any, str]:
    """Return the file system of a URL, which fsspec keeps per options, and the name within it."""
    import fsspec.core  # noqa: PLC0415 - most catalogs need none

    system, name = fsspec.core.url_to_fs(url, **dict(storage))
    return system, str(name)


@contextmanager
def _reported(location: str) -> Iterator[None]:
    """Report what a remote file system says; of a file that is gone or closed, readers speak."""
    try:
        yield
    except (MixoptError, FileNotFoundError, PermissionError):
        raise
    except ImportError as error:
        scheme = location.partition("://")[0]
        extra = _EXTRAS.get(scheme)
        remedy = f"Run `pip install 'mixopt[{extra}]'`." if extra else "Install it."
        what = f"cannot read {location}: the package for {scheme}:// is missing"
        raise CatalogError(what, why=str(error), remedy=remedy) from error
    except Exception as error:  # every file system has errors of its own
        raise _unreadable(location, error) from error


def _unreadable(location: str, error: Exception) -> CatalogError:
    remedy = "Check that it is still there."
    if is_remote(location):
        remedy = (
            "Check the URL, the storage options, the credentials and the network; run it again."
        )
    why = f"{type(error).__name__}: {error}"
    return CatalogError(f"cannot read {location}", why=why, remedy=remedy)
