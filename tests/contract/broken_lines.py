"""Kinds of broken and odd JSON lines."""

from __future__ import annotations

import json
from typing import Final

from broken_kinds import BOTH, FIRST, LAST, Kind, line

_GOOD = (line(text=FIRST), line(text=LAST))
_DEEP = b"[" * 100_000 + b"]" * 100_000
_LONG = "long " * 400_000
_SCORED = {"scores": {"quality": "quality"}}
_LABELLED = {"labels": {"topic": "topic"}}


def _between(name: str, broken: bytes, reason: str, pieces: int = 1) -> Kind:
    """Return a kind whose broken line stands between two good ones."""
    content = _GOOD[0] + broken + b"\n" + _GOOD[1]
    return Kind(
        name=f"jsonl-{name}",
        reader="jsonl",
        files={"data.jsonl": content},
        taken=BOTH,
        pieces=pieces,
        reason=reason,
    )


def _odd(name: str, content: bytes, *taken: str) -> Kind:
    """Return a kind that is odd but whole."""
    files = {"data.jsonl": content}
    return Kind(name=f"jsonl-{name}", reader="jsonl", files=files, taken=taken)


def _scored(name: str, value: bytes, reason: str) -> Kind:
    good = line(text=FIRST, quality=1) + line(text=LAST, quality=0.5)
    return Kind(
        name=f"jsonl-score-{name}",
        reader="jsonl",
        files={"data.jsonl": b'{"text": "scored", "quality": ' + value + b"}\n" + good},
        taken=BOTH,
        reason=reason,
        options=_SCORED,
    )


BROKEN_LINES: Final = (
    Kind(
        name="jsonl-cut-last-line",
        reader="jsonl",
        files={"data.jsonl": b"".join(_GOOD) + b'{"text": "cut o'},
        taken=BOTH,
        reason="JSON",
    ),
    _between("not-utf8", b'{"text": "\xff\xfe"}', "not UTF-8"),
    _between("latin1", '{"text": "Käse"}'.encode("latin-1"), "not UTF-8"),
    _between("number-for-text", line(text=7), "expected text"),
    _between("list-for-text", line(text=["a"]), "expected text"),
    _between("null-text", line(text=None), "nothing"),
    _between("missing-field", line(content="elsewhere"), "missing field"),
    _between("empty-text", line(text=""), "empty"),
    _between("blank-text", line(text=" \n\t "), "empty"),
    _between("lone-surrogate", rb'{"text": "\ud800 alone"}', "Unicode"),
    _between("raw-control-character", b'{"text": "a\x01b"}', "control character"),
    _between("wrong-escape", rb'{"text": "\x41"}', "escape"),
    _between("python-literal", b"{'text': 'quoted the wrong way'}", "JSON"),
    _between("trailing-comma", b'{"text": "comma",}', "JSON"),
    _between("two-records-on-a-line", b'{"text": "a"} {"text": "b"}', "JSON"),
    _between("bare-number", b"42", "expected a record"),
    _between("bare-string", b'"text"', "expected a record"),
    _between("null-record", b"null", "expected a record"),
    _between("list-record", b'["text"]', "expected a record"),
    _between("null-bytes", b"\0" * 64, "JSON"),
    _between("deep-nesting", b'{"text": "deep", "extra": ' + _DEEP + b"}", "JSON"),
    _between("page-of-html", b"<html>\n<body>\n404 Not Found\n</body></html>", "JSON", 4),
    _between("merge-conflict", b"<<<<<<< HEAD\n=======\n>>>>>>> branch", "JSON", 3),
    _scored("not-a-number", b"NaN", "finite number"),
    _scored("infinite", b"-Infinity", "finite number"),
    _scored("beyond-floats", b"1" + b"0" * 400, "finite number"),
    _scored("text", b'"0.5"', "finite number"),
    _scored("truth-value", b"true", "finite number"),
    _scored("null", b"null", "finite number"),
    Kind(
        name="jsonl-label-missing",
        reader="jsonl",
        files={"data.jsonl": line(text=FIRST, topic="law") + line(text="none")},
        taken=(FIRST,),
        reason="missing field",
        options=_LABELLED,
    ),
    Kind(
        name="jsonl-utf16",
        reader="jsonl",
        files={"data.jsonl": b"".join(_GOOD).decode().encode("utf-16")},
        pieces=3,  # a line end is two bytes, so that half a character is left over
        reason="not UTF-8",
    ),
    Kind(
        name="jsonl-pointer-to-large-file",
        reader="jsonl",
        files={"data.jsonl": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"},
        pieces=3,
        reason="JSON",
    ),
    Kind(
        name="jsonl-array-cut",
        reader="jsonl",
        files={"data.jsonl": b'[{"text": "' + FIRST.encode() + b'"}, {"text": "cut o'},
        taken=(FIRST,),
        reason="JSON",
    ),
    Kind(
        name="jsonl-too-short-beside-broken",
        reader="jsonl",
        files={"data.jsonl": _GOOD[0] + line(text="ab") + b"{\n" + _GOOD[1]},
        taken=BOTH,
        filtered=1,
        reason="JSON",
        options={"min_document_bytes": 10},
    ),
    _odd("array", json.dumps([{"text": FIRST}, {"text": LAST}]).encode(), *BOTH),
    _odd("one-record-over-lines", json.dumps({"text": FIRST}, indent=1).encode(), FIRST),
    _odd("mark-at-the-start", b"\xef\xbb\xbf" + b"".join(_GOOD), *BOTH),
    _odd("mark-in-the-middle", _GOOD[0] + b"\xef\xbb\xbf" + _GOOD[1], *BOTH),
    _odd("dos-line-ends", b"".join(_GOOD).replace(b"\n", b"\r\n"), *BOTH),
    _odd("no-last-line-end", b"".join(_GOOD).rstrip(), *BOTH),
    _odd("blank-lines", b"\n \n\t\n\r\n" + _GOOD[0] + b"\n\n" + _GOOD[1] + b"\n", *BOTH),
    _odd("only-blank-lines", b"\n\n \n\n"),
    _odd("empty-file", b""),
    _odd("very-long-line", line(text=_LONG) + _GOOD[1], _LONG, LAST),
    _odd("field-twice", b'{"text": 1, "text": "' + FIRST.encode() + b'"}', FIRST),
    _odd("foreign-not-a-number", b'{"other": NaN, "text": "' + FIRST.encode() + b'"}', FIRST),
    _odd("foreign-huge-integer", b'{"n": 1' + b"0" * 400 + b"," + line(text=FIRST)[1:], FIRST),
    _odd("null-character-in-text", line(text="a\0b"), "a\0b"),
)
