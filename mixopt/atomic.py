"""Files that appear whole or not at all: written beside, flushed to disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

_READABLE = 0o644  # temporary files are their owner's alone


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes its place when the block ends well.

    The folder is made where it is missing. A block that raises leaves `path` as it was, and a
    reader sees the old content or the new, whatever happens.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        beside = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            beside.chmod(_READABLE)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> None:
    """Write a whole file; text is encoded in UTF-8."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
