"""Which shards were made of what, written beside them, so that they are not made again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mixopt import atomic


class _Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    num_bytes: int


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    made_of: str
    shards: tuple[_Shard, ...]


def find_shards(manifest: Path, made_of: str) -> list[Path] | None:
    """Return the shards that were made of this and are all there, else nothing.

    Args:
        manifest: the file that tells; the shards lie beside it.
        made_of: names all that decides what the shards hold.
    """
    try:
        found = msgspec.json.decode(manifest.read_bytes(), type=_Manifest)
        paths = [manifest.parent / shard.name for shard in found.shards]
        sizes = [path.stat().st_size for path in paths]
    except (OSError, msgspec.DecodeError):
        return None
    is_whole = sizes == [shard.num_bytes for shard in found.shards]
    return paths if is_whole and found.made_of == made_of else None


def remember_shards(manifest: Path, made_of: str, shards: Sequence[Path]) -> None:
    """Write what the shards were made of, once they are written themselves.

    Raises:
        OSError: nothing can be written.
    """
    listed = [{"name": path.name, "num_bytes": path.stat().st_size} for path in shards]
    atomic.write(manifest, json.dumps({"made_of": made_of, "shards": listed}, indent=1) + "\n")
