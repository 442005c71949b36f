"""Writing a draft as a recipe: TOML with comments on what to look over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mixopt.catalog.drafting.draft import Draft, DraftDomain, DraftSource
from mixopt.recipes.quantity import show_quantity

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = """\
# A start from a look at the first records. Look it over: what the domains are, their licences, which
# fields are scores and labels. Records without a field that is named here go to quarantine.
"""


def draft_toml(draft: Draft, *, name: str, tokenizer: str | None, folder: Path | None) -> str:
    """Return the recipe of a draft as text.

    Args:
        draft: what was found.
        name: of the catalog.
        tokenizer: that tokens are counted with; none counts bytes.
        folder: where the recipe will lie: paths below it are written relative to it; none writes
            absolute ones.
    """
    lines = [_HEAD, f"name = {_value(name)}"]
    hint = "" if tokenizer else "  # a tokenizer.json, a folder or a hub name counts real tokens"
    lines.append(f"tokenizer = {_value(tokenizer or 'bytes')}{hint}")
    lines += [f"# Left out: {_line(reason)}" for reason in draft.left_out]
    for domain in draft.domains:
        lines += _domain(domain, folder)
    return "\n".join(lines) + "\n"


def _domain(domain: DraftDomain, folder: Path | None) -> Iterator[str]:
    yield "\n[[domain]]"
    yield f"name = {_value(domain.name)}"
    yield 'provenance = "organic"  # or human_curated, ai_curated, ai_augmented, synthetic'
    yield 'licence = ""'
    if domain.schema != "text":
        yield f"schema = {_value(domain.schema)}"
    for source in domain.sources:
        yield from _source(source, folder)


def _source(source: DraftSource, folder: Path | None) -> Iterator[str]:
    count = "1 file" if source.files == 1 else f"{source.files:,} files"
    yield f"\n[[domain.sources]]  # {count}, {show_quantity(source.num_bytes)}B"
    for key, value in source.table.items():
        yield f"{key} = {_value(_relative(value, folder) if key == 'path' else value)}"


def _relative(path: object, folder: Path | None) -> object:
    if folder is None or "://" in str(path) or not Path(str(path)).is_relative_to(folder):
        return path
    return Path(str(path)).relative_to(folder).as_posix()


def _value(value: object) -> str:
    """Return a value as TOML: JSON is, but for tables and the character DEL."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _line(text: str) -> str:
    return " ".join(text.split())
