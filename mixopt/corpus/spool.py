"""A spool: texts' tokens kept on disk as they are read, and written out in the order of their keys."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


class ContentOrder:
    """Sort keys that depend on content only.

    The first copy of a document is ordered by its identity and each further copy by a hash of
    identity and number. So the order does not depend on which file was read first, and copies do
    not stand side by side, where a model would only have to repeat what it has just seen.
    """

    def __init__(self) -> None:
        self._copies: Counter[str] = Counter()

    def key(self, identity: str) -> str:
        """Return the sort key of the next document of this identity."""
        number = self._copies[identity]
        self._copies[identity] += 1
        if number == 0:
            return identity
        return hashlib.sha256(f"{identity}:{number}".encode()).hexdigest()


class Spool:
    """Token arrays in a temporary file, so that a domain may be larger than memory."""

    def __init__(self, path: Path, storage: np.dtype[np.unsignedinteger]) -> None:
        self._path = path
        self._storage = storage
        self._file: BinaryIO = path.open("wb")
        self._keys: list[str] = []
        self._lengths: list[int] = []

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, key: str, tokens: NDArray[np.uint32]) -> None:
        """Keep one array under its sort key."""
        self._file.write(tokens.astype(self._storage).tobytes())
        self._keys.append(key)
        self._lengths.append(len(tokens))

    def write_sorted(self, out: BinaryIO) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Write all arrays one after the other in the order of their keys.

        Returns:
            The numbers of the arrays, from 0 as they were added, in that order; and where each of
            them begins, in tokens, with the end of the last, [arrays + 1].
        """
        self._file.flush()
        places = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        stops = np.cumsum(np.asarray(self._lengths, np.int64)).tolist()
        if stops and stops[-1]:
            tokens = np.memmap(self._path, self._storage, mode="r").view(np.ndarray)
            out.writelines(tokens[stops[at] - self._lengths[at] : stops[at]].data for at in places)
        order = np.asarray(places, np.int64)
        return order, np.append(0, np.cumsum(np.asarray(self._lengths, np.int64)[order]))
