"""Messages between a locked connection and the process that runs its queries."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import IO, Final

TIME_IS_UP: Final = "time is up"
_HEAD: Final = struct.Struct("<BQ")


class Kind(IntEnum):
    """What a message says."""

    READY = 0  # the databases are open and the process is sealed
    QUERY = 1  # JSON: sql, parameters
    SCHEMA = 2  # an Arrow schema
    BATCH = 3  # an Arrow stream of one batch
    DONE = 4  # the answer is complete
    ERROR = 5  # JSON: what, why, remedy


def send(file: IO[bytes], kind: Kind, content: bytes = b"") -> None:
    """Write one message."""
    file.write(_HEAD.pack(kind, len(content)))
    file.write(content)
    file.flush()


def receive(file: IO[bytes]) -> tuple[Kind, bytes]:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    kind, size = _HEAD.unpack(_exactly(file, _HEAD.size))
    return Kind(kind), _exactly(file, size)


def _exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content
