"""Kinds of broken and odd conversations and preferences."""

from __future__ import annotations

from typing import Final

from broken_kinds import ANSWER, FIRST, Kind, chat, line

_GOOD = line(messages=chat(FIRST, ANSWER))
_TAKEN = f"{FIRST} | {ANSWER}"
_PAIR = {"prompt": FIRST, "chosen": ANSWER, "rejected": "No."}
_PAIR_TAKEN = f"{FIRST} | {ANSWER} | No."


def _conversation(name: str, messages: object, reason: str) -> Kind:
    return Kind(
        name=f"chat-{name}",
        reader="jsonl",
        schema="conversation",
        files={"data.jsonl": _GOOD + line(messages=messages)},
        taken=(_TAKEN,),
        reason=reason,
    )


def _preference(name: str, reason: str, **changes: object) -> Kind:
    record = {key: value for key, value in (_PAIR | changes).items() if value is not ...}
    return Kind(
        name=f"preference-{name}",
        reader="jsonl",
        schema="preference",
        files={"data.jsonl": line(**_PAIR) + line(**record)},
        taken=(_PAIR_TAKEN,),
        reason=reason,
    )


def _odd(name: str, messages: object, taken: str, **options: object) -> Kind:
    return Kind(
        name=f"chat-{name}",
        reader="jsonl",
        schema="conversation",
        files={"data.jsonl": line(messages=messages)},
        taken=(taken,),
        options=options,
    )


_CALL = [*chat(FIRST, ""), {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]
_PICTURE = chat([{"type": "image_url", "image_url": {"url": "x"}}], ANSWER)
_PARTS = chat([{"type": "text", "text": FIRST}], [{"type": "text", "text": ANSWER}])
_SHARED = [{"from": "human", "value": FIRST}, {"from": "gpt", "value": ANSWER}]

BROKEN_CHATS: Final = (
    _conversation(
        "unknown-role", [*chat(FIRST, ANSWER), {"role": "judge", "content": "x"}], "judge"
    ),
    _conversation("no-answer", chat(FIRST, ANSWER)[:1], "assistant"),
    _conversation("only-empty-answers", chat(FIRST, ""), "empty"),
    _conversation("content-null", chat(FIRST, None), "nothing"),
    _conversation("content-number", chat(FIRST, 7), "expected text"),
    _conversation("without-role", [{"content": FIRST}], "missing field"),
    _conversation("text-for-messages", FIRST, "expected a list"),
    _conversation("texts-for-messages", [FIRST, ANSWER], "without a role"),
    _conversation("no-messages", [], "empty"),
    _conversation("null-message", [*chat(FIRST, "x"), None], "expected a message"),
    _conversation("calls-a-tool", _CALL, "tools"),
    _conversation("picture", _PICTURE, "image_url"),
    _preference("equal-answers", "equal", rejected=ANSWER),
    _preference("missing-rejected", "missing field", rejected=...),
    _preference("null-rejected", "nothing", rejected=None),
    _preference("empty-chosen", "empty", chosen=" "),
    _preference("no-prompt", "prompt", prompt=...),
    _preference("number-for-answer", "expected", chosen=1),
    _odd("parts", _PARTS, _TAKEN),
    _odd("sharegpt", _SHARED, _TAKEN, role_key="from", content_key="value"),
    _odd("empty-question", chat("", ANSWER), f" | {ANSWER}"),
)
