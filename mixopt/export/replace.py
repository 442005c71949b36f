"""Putting a finished folder in its place at once, without destroying anything mixopt did not write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from mixopt.errors import ExportError
from mixopt.export.manifest import changed_files

_SHOWN = 3


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into; it takes the name `folder` when the block ends well.

    Raises:
        ExportError: `folder` holds something that is no unchanged export, or cannot be written.
    """
    check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        message = f"cannot write beside {folder}"
        raise ExportError(message, why=str(error), remedy="Choose another folder.") from error
    try:
        yield beside
        _settle(beside)
        _swap(beside, folder)
    except OSError as error:
        message = f"cannot write the export {folder}"
        raise ExportError(message, why=str(error), remedy="Nothing was replaced.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raise unless the folder is missing, empty or an export that nobody has changed.

    Raises:
        ExportError: it is none of these.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        message = f"{folder} is a file"
        raise ExportError(message, remedy="Choose another folder.")
    changed = changed_files(folder)
    if changed:
        message = f"{folder} holds files that were added or edited after the export"
        raise ExportError(
            message,
            why=f"{len(changed)} of them: {', '.join(changed[:_SHOWN])}.",
            remedy="Move them away, or export to another folder.",
        )


def _settle(folder: Path) -> None:
    """Have every file on the disk before the folder takes its name."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _swap(beside: Path, folder: Path) -> None:
    if not folder.exists():
        beside.rename(folder)
        return
    old = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    folder.replace(old)
    try:
        beside.rename(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
