"""How much of each file is taken where a source has a limit in bytes."""

from __future__ import annotations

from collections.abc import Sequence

from mixopt.catalog.locations import File
from mixopt.catalog.sources import CodeSource, DocstringsSource, FileSource, TextSource

_PACKED = (".gz", ".zst", ".zstd", ".parquet")
_LEAST_YIELD = 0.02


def takes_whole_files(source: FileSource) -> bool:
    """Return whether a limit cuts the list of a source's files, not the files themselves."""
    one_document_each = isinstance(source, TextSource | CodeSource | DocstringsSource)
    return one_document_each and source.limit_bytes is not None


def parts_of(files: Sequence[File], source: FileSource) -> list[int | None]:
    """Return the bytes at which the reading of each file stops; none where it is read whole.

    The parts are equal, but files that are smaller are read whole and leave the rest of their part
    to the others. What a packed file holds is unknown, so it never counts as smaller.
    """
    limit = source.limit_bytes
    if limit is None or takes_whole_files(source):
        return [None] * len(files)
    sizes = [None if _is_packed(file) else file.num_bytes for file in files]
    part = _equal_part(sorted(size for size in sizes if size is not None), len(files), limit)
    return [None if size is not None and size <= part else part for size in sizes]


def _equal_part(sizes: Sequence[int], num_files: int, limit: int) -> int:
    """Return the part at which smaller files and parts together reach the limit, rounded up."""
    rest = limit
    for number, size in enumerate(sizes):
        part = -(-rest // (num_files - number))
        if size > part:
            return max(1, part)
        rest -= size
    packed = num_files - len(sizes)
    return max(1, -(-rest // packed)) if packed else max(sizes, default=1)


def _is_packed(file: File) -> bool:
    return file.location.endswith(_PACKED)


def next_files(files: Sequence[File], taken_bytes: Sequence[int], limit: int) -> int:
    """Return how many files to have measured, so that their documents may reach a limit.

    Args:
        files: all files of the source, in order.
        taken_bytes: bytes of the documents of those that were measured, which are the first.
        limit: bytes to take.
    """
    done, total = len(taken_bytes), sum(taken_bytes)
    read = sum(file.num_bytes for file in files[:done])
    kept = max(_LEAST_YIELD, total / read) if read else 1.0
    while done < len(files) and total < limit:
        total += max(1, int(files[done].num_bytes * kept))
        done += 1
    return done


def cut(taken_bytes: Sequence[int], limit: int) -> int:
    """Return how many files reach the limit, the one that passes it among them."""
    total = 0
    for number, size in enumerate(taken_bytes):
        if total >= limit:
            return number
        total += size
    return len(taken_bytes)
