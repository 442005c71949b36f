"""Kinds of broken and odd trees of texts and programs, and of odd names of files."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from broken_kinds import BOTH, FIRST, LAST, Kind

_GOOD = FIRST.encode()
_ODD_NAME = os.fsdecode(b"caf\xe9.txt")  # Latin-1, as old archives unpack to


def _beside(name: str, broken: bytes, reason: str, file: str = "broken.txt") -> Kind:
    """Return a kind with a broken file beside a good one."""
    return Kind(
        name=f"text-{name}",
        reader="text",
        files={"good.txt": _GOOD, file: broken},
        taken=(FIRST,),
        reason=reason,
    )


def _named(name: str, file: str) -> Kind:
    files = {file: LAST.encode(), "good.txt": _GOOD}
    return Kind(name=f"text-{name}", reader="text", files=files, taken=BOTH)


def _made(name: str, make: Callable[[Path], None], reason: str = "") -> Kind:
    return Kind(
        name=f"text-{name}",
        reader="text",
        files={"good.txt": _GOOD},
        make=make,
        taken=(FIRST,),
        reason=reason,
    )


def _link_to_nothing(folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder / "gone.txt")


def _link_in_a_circle(folder: Path) -> None:
    (folder / "below").symlink_to(folder, target_is_directory=True)


def _link_to_itself(folder: Path) -> None:
    (folder / "self.txt").symlink_to(folder / "self.txt")


def _folder_named_like_a_file(folder: Path) -> None:
    (folder / "folder.txt").mkdir()


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")


def _closed(folder: Path) -> None:
    path = folder / "closed.txt"
    path.write_bytes(_GOOD)
    path.chmod(0)


def _closed_folder(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)


def _latin_name(folder: Path) -> None:
    (folder / _ODD_NAME).write_bytes(b"\xff broken")


def _source(reader: str, name: str, broken: bytes, taken: str, reason: str) -> Kind:
    return Kind(
        name=f"{reader}-{name}",
        reader=reader,
        files={"good.py": b'"""' + _GOOD + b'"""\n', "broken.py": broken},
        taken=(taken,),
        reason=reason,
    )


_QUOTED = f'"""{FIRST}"""\n'

BROKEN_TREES: Final = (
    _beside("binary", b"\x7fELF\x02\x01\x01\0\0\0", "binary"),
    _beside("picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not UTF-8"),
    _beside("utf16", LAST.encode("utf-16"), "not UTF-8"),
    _beside("latin1", LAST.encode("latin-1"), "not UTF-8"),
    _beside("cut-character", "cut ä".encode()[:-1], "not UTF-8"),
    _beside("empty-file", b"", "empty"),
    _beside("only-blanks", b" \n\t\n", "empty"),
    _beside("packed-and-cut", gzip.compress(LAST.encode())[:-9], "damaged", "broken.txt.gz"),
    _named("newline-in-name", "new\nline.txt"),
    _named("brackets-in-name", "a[0-9]*?{x}.txt"),
    _named("percent-in-name", "%2e%2e%2f.txt"),
    _named("blank-and-quote-in-name", ' it\'s "so" .txt'),
    _named("like-a-url", "s3:/bucket/key.txt"),
    _named("long-name", "n" * 250 + ".txt"),
    _made("name-not-unicode", _latin_name, "not UTF-8"),
    _made("link-to-nothing", _link_to_nothing, "damaged"),
    _made("link-to-itself", _link_to_itself, "damaged"),
    _made("link-in-a-circle", _link_in_a_circle),
    _made("folder-named-like-a-file", _folder_named_like_a_file),
    _made("pipe", _pipe, "no regular file"),
    _source("code", "null-bytes", b"x = 1\0\0", _QUOTED, "binary"),
    _source("code", "not-utf8", "# Käse".encode("latin-1"), _QUOTED, "not UTF-8"),
    _source("docstrings", "syntax-error", b"def broken(:\n", FIRST, "no Python"),
    _source("docstrings", "null-bytes", b"x = '\0'\n", FIRST, "no Python"),
    _source("docstrings", "deep-nesting", b"x = " + b"(" * 5000 + b")" * 5000, FIRST, "no Python"),
)
CLOSED_TREES: Final = (
    _made("closed-file", _closed, "Permission"),
    _made("closed-folder", _closed_folder, "damaged"),
)
"""Kinds that are nothing to root, whom no mode keeps out."""
