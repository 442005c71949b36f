"""Kinds of broken and odd archives: WebDataset tars and Mosaic shards."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Sequence
from typing import Final

from broken_kinds import BOTH, FIRST, LAST, Kind

_Member = tuple[str, bytes] | tarfile.TarInfo


def _special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _tar(*members: _Member) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                name, content = member
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _web(name: str, content: bytes, *taken: str, reason: str = "", pieces: int = 1) -> Kind:
    return Kind(
        name=f"tar-{name}",
        reader="webdataset",
        files={"data.tar": content},
        taken=taken,
        reason=reason,
        pieces=pieces,
    )


def _shard(texts: Sequence[bytes], encoding: str = "str") -> bytes:
    """Return a Mosaic shard with one column."""
    columns = {"column_names": ["text"], "column_encodings": [encoding], "column_sizes": [None]}
    told = json.dumps(columns).encode()
    samples = [struct.pack("<I", len(text)) + text for text in texts]
    ends = [4 * (len(texts) + 2) + len(told)]
    for sample in samples:
        ends.append(ends[-1] + len(sample))
    return struct.pack(f"<{len(ends) + 1}I", len(texts), *ends) + told + b"".join(samples)


def _mds(
    name: str, shard: bytes, *taken: str, index: bytes = b"", reason: str = "", pieces: int = 1
) -> Kind:
    return Kind(
        name=f"mds-{name}",
        reader="mds",
        files={"shard.00000.mds": shard} | ({"index.json": index} if index else {}),
        taken=taken,
        reason=reason,
        pieces=pieces,
    )


_ONE, _TWO = ("a.txt", FIRST.encode()), ("b.txt", LAST.encode())
_FIRST_RECORD = json.dumps({"text": FIRST}).encode()
_SHARD = _shard([text.encode() for text in BOTH])
_FAR = _SHARD[:8] + struct.pack("<I", 1 << 30) + _SHARD[12:]
_MANY = struct.pack("<I", 1 << 30) + _SHARD[4:]
_ESCAPING = (
    _special("link.txt", tarfile.SYMTYPE, "/etc/passwd"),
    _special("hard.txt", tarfile.LNKTYPE, "../../secret.txt"),
    _special("device.txt", tarfile.CHRTYPE),
    _special("pipe.txt", tarfile.FIFOTYPE),
)

BROKEN_ARCHIVES: Final = (
    _web("cut", _tar(_ONE, _TWO)[:1546], FIRST, reason="damaged"),
    _web("cut-in-header", _tar(_ONE, _TWO)[:1100], FIRST, reason="damaged"),
    _web("not-a-tar", b"this is no archive at all" * 50, reason="damaged"),
    _web("without-field", _tar(_ONE, ("c.cls", b"7"), _TWO), *BOTH, reason="missing field"),
    _web("not-utf8", _tar(_ONE, ("c.txt", b"\xff\xfe"), _TWO), *BOTH, reason="UTF-8"),
    _web("empty-member", _tar(_ONE, ("c.txt", b""), _TWO), *BOTH, reason="empty"),
    Kind(
        name="tar-broken-json",
        reader="webdataset",
        files={"data.tar": _tar(("a.json", _FIRST_RECORD), ("b.json", b'{"text": '))},
        taken=(FIRST,),
        reason="JSON",
        options={"text_field": "json.text"},
    ),
    _web("absolute-path", _tar(("/a.txt", FIRST.encode()), ("/etc/b.txt", LAST.encode())), *BOTH),
    _web("path-that-climbs", _tar(("../../a.txt", FIRST.encode()), _TWO), *BOTH),
    _web("links-and-devices", _tar(_ONE, *_ESCAPING, _TWO), *BOTH),
    _web("member-twice", _tar(_ONE, ("a.txt", LAST.encode()), _TWO), LAST, reason="two members"),
    _web("names-out-of-order", _tar(_ONE, _TWO, ("a.cls", b"7")), *BOTH, reason="missing field"),
    _web("picture-beside", _tar(_ONE, ("a.jpg", b"\xff\xd8\xff"), _TWO), *BOTH),
    _web("empty-archive", _tar()),
    _mds("without-index", _SHARD, *BOTH),
    _mds("index-not-json", _SHARD, *BOTH, index=b"{"),
    _mds("not-mds", b"this is no shard at all", reason="damaged"),
    _mds("offset-beyond-end", _FAR, reason="damaged"),
    _mds("count-beyond-end", _MANY, reason="damaged"),
    _mds("cut", _SHARD[:-5], FIRST, reason="damaged"),
    _mds("cut-in-header", _SHARD[:20], reason="damaged"),
    _mds("empty-file", b"", reason="damaged"),
    _mds("not-utf8", _shard([FIRST.encode(), b"\xff\xfe"]), FIRST, reason="UTF-8"),
    _mds("pickled", _shard([b"x", b"y"], "pkl"), pieces=2, reason="pkl"),
)
