"""One build of a catalog at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixopt.errors import CatalogError


@contextmanager
def only_build(path: Path) -> Iterator[None]:
    """Keep other builds of a catalog out inside the block; a killed build keeps nobody out.

    Raises:
        CatalogError: another build is under way.
        OSError: the folder cannot be written.
    """
    file = path.with_name(f".{path.name}.lock")
    handle = _lock(path, file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path, file: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            what = f"{path} is being built"
            why = "Another build of it is under way."
            raise CatalogError(what, why=why, remedy="Wait until it is done, or stop it.") from None
        if _is_still_there(handle, file):
            return handle
        os.close(handle)  # It was the file of a build that ended in between.


def _is_still_there(handle: int, file: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == file.stat().st_ino
    except FileNotFoundError:
        return False
