"""What records seem to hold: a text, a conversation or a preference, and which scores and labels."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixopt.catalog.drafting.samples import Fields
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import TAKEN_COLUMNS

_TEXT_NAMES = ("text", "content", "raw_content", "body", "document", "code", "markdown", "txt")
_PROMPT_NAMES = ("prompt", "question", "instruction", "query", "input")
_MESSAGE_KEYS = (("role", "content"), ("from", "value"), ("role", "value"), ("speaker", "text"))
_NO_SCORE = re.compile(
    r"(^|_)(id|ids|idx|index|date|time|timestamp|year|month|day|offset|start|end|num|n|count|length"
    r"|len|tokens|chars|words|bytes|size|seed|page|line|row|version|created|updated|utc)(_|$)"
)
_SCORE = re.compile(
    r"(^|_)(score|quality|difficulty|perplexity|ppl|prob|probability|rank|rating|stars|votes|upvotes"
    r"|likes|edu|educational|toxicity|level|grade|reward|confidence)(_|$)"
)
_NO_LABEL = re.compile(r"(^|_)(id|ids|uuid|url|uri|link|hash|date|time|timestamp|title|name)(_|$)")
_LONGEST_LABEL = 40
_MOST_VALUES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """How documents may be taken from records.

    Attributes:
        schema: what they are.
        keys: keys of the source that say where the content stands; defaults are left out.
        scores: field by score.
        labels: field by label.
    """

    schema: Schema
    keys: Mapping[str, object]
    scores: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def agrees(self, other: Guess) -> bool:
        """Return whether one source can take what two guesses are about."""
        return self.schema == other.schema and self.keys == other.keys

    def and_of(self, other: Guess) -> Guess:
        """Return this guess with the scores and labels that both have."""
        return replace(
            self,
            scores=dict(sorted(self.scores.items() & other.scores.items())),
            labels=dict(sorted(self.labels.items() & other.labels.items())),
        )

    def table(self) -> dict[str, object]:
        """Return all keys of the source."""
        named = {"scores": dict(self.scores), "labels": dict(self.labels)}
        return {**self.keys, **{key: found for key, found in named.items() if found}}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    """Where the content of documents stands: all fields of it, and the keys that say so."""

    schema: Schema
    fields: tuple[str, ...]
    kinds: tuple[type, ...]  # that values of these fields may have
    keys: Mapping[str, object]


def guess(records: Sequence[Fields], text_default: str = "text") -> Guess | None:
    """Return how documents may be taken from records; None where nothing in most is a document.

    A score is a number, and a label one of a few short texts, that every document has.

    Args:
        records: the first ones of a file, with dotted names.
        text_default: the field that the reader takes a text from by itself.
    """
    content = _preference(records) or _conversation(records) or _text(records, text_default)
    if content is None:
        return None
    whole = [record for record in records if _is_whole(record, content)]
    return Guess(
        schema=content.schema,
        keys=content.keys,
        scores=_named(whole, content.fields, "score", _is_score),
        labels=_named(whole, content.fields, "label", _is_label),
    )


def column_name(place: str, kind: str) -> str:
    """Return the name of a score or label of a field: lower case, and none that documents have."""
    name = re.sub(r"[^a-z0-9]+", "_", place.lower()).strip("_")[:50]
    if not re.match(r"[a-z]", name) or name in TAKEN_COLUMNS:
        name = f"{kind}_{name}".rstrip("_")
    return name


def _is_whole(record: Fields, content: _Content) -> bool:
    values = [record.get(name) for name in content.fields]
    return all(isinstance(each, content.kinds) and str(each).strip() for each in values)


def _preference(records: Sequence[Fields]) -> _Content | None:
    chosen, rejected = _with_leaf(records, "chosen"), _with_leaf(records, "rejected")
    if chosen is None or rejected is None:
        return None
    prompts = (_with_leaf(records, name) for name in _PROMPT_NAMES)
    prompt = next((name for name in prompts if name is not None), "prompt")
    given = {"chosen_field": chosen, "rejected_field": rejected, "prompt_field": prompt}
    usual = {"chosen_field": "chosen", "rejected_field": "rejected", "prompt_field": "prompt"}
    keys: dict[str, object] = {key: name for key, name in given.items() if name != usual[key]}
    keys |= next((found for r in records if (found := _message_keys(r.get(chosen)))), {})
    return _Content(schema="preference", fields=(chosen, rejected), kinds=(str, list), keys=keys)


def _conversation(records: Sequence[Fields]) -> _Content | None:
    for name in _columns(records):
        found = next((f for r in records if (f := _message_keys(r.get(name))) is not None), None)
        if found is not None:
            keys = found if name == "messages" else {"messages_field": name, **found}
            return _Content(schema="conversation", fields=(name,), kinds=(list,), keys=keys)
    return None


def _message_keys(value: object) -> dict[str, object] | None:
    """Return the keys of messages that are not the usual ones; None for what are no messages."""
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping):
        return None
    for role, content in _MESSAGE_KEYS:
        if isinstance(value[0].get(role), str) and content in value[0]:
            keys = {"role_key": role} if role != "role" else {}
            return {**keys, **({"content_key": content} if content != "content" else {})}
    return None


def _text(records: Sequence[Fields], default: str) -> _Content | None:
    texts = [name for name in _columns(records) if _is_common(records, name, str)]
    named = [name for wanted in _TEXT_NAMES for name in texts if _leaf(name) == wanted]
    longest = max(texts, key=lambda name: _length(records, name), default=None)
    name = named[0] if named else longest
    if name is None:
        return None
    keys = {} if name == default else {"text_field": name}
    return _Content(schema="text", fields=(name,), kinds=(str,), keys=keys)


def _named(
    records: Sequence[Fields],
    used: Sequence[str],
    kind: str,
    test: Callable[[str, Sequence[Any]], bool],
) -> dict[str, str]:
    """Return the fields that pass a test of their last name and their values, by a name for each."""
    found: dict[str, str] = {}
    for place in _columns(records):
        values = [record.get(place) for record in records]
        if place not in used and test(_leaf(place).lower(), values):
            name = column_name(_leaf(place), kind)
            found.setdefault(name if name not in found else column_name(place, kind), place)
    return found


def _is_score(name: str, values: Sequence[Any]) -> bool:
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return False
    if not all(math.isfinite(value) for value in values):
        return False
    if _SCORE.search(name):
        return True
    return any(isinstance(value, float) for value in values) and not _NO_SCORE.search(name)


def _is_label(name: str, values: Sequence[Any]) -> bool:
    if _NO_LABEL.search(name) or not all(isinstance(value, str) for value in values):
        return False
    if any(len(value) > _LONGEST_LABEL or "\n" in value or not value for value in values):
        return False
    return len(set(values)) <= min(_MOST_VALUES, len(values) // 2)


def _with_leaf(records: Sequence[Fields], leaf: str) -> str | None:
    """Return the field of most records whose last part is a name, or ends in it."""
    columns = [name for name in _columns(records) if _is_common(records, name, object)]
    exact = [name for name in columns if _leaf(name) == leaf]
    ending = [name for name in columns if _leaf(name).endswith(f"_{leaf}")]
    return next(iter(exact + ending), None)


def _columns(records: Sequence[Fields]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _is_common(records: Sequence[Fields], name: str, kind: type) -> bool:
    """Return whether most records have a value of a type in a field."""
    count = sum(name in record and isinstance(record[name], kind) for record in records)
    return count > len(records) / 2


def _length(records: Sequence[Fields], name: str) -> int:
    return sum(len(str(record.get(name, ""))) for record in records)


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
