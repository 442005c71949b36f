"""Messages in the shapes that chat and preference data have: conversations, and pairs of answers."""

from __future__ import annotations

from collections.abc import Mapping

from mixopt.catalog.documents import Messages
from mixopt.catalog.readers.fields import Record, decoded, field_of, kind_of, text_of
from mixopt.catalog.readers.intake import BadRecordError
from mixopt.catalog.sources import RecordSource

_ROLES = frozenset({"user", "assistant", "system"})
_TOOL_KEYS = ("tool_calls", "function_call")


def conversation_of(record: Record, source: RecordSource) -> Messages:
    """Return the messages of a conversation.

    A user's message may be empty; at least one answer must say something.

    Raises:
        BadRecordError: they are missing or malformed, a role is unknown, or nothing is answered.
    """
    messages = _messages(field_of(record, source.messages_field), source.messages_field, source)
    if not messages:
        what = "empty document"
        raise BadRecordError(what)
    _require_answer(messages, source.messages_field)
    return messages


def preference_of(record: Record, source: RecordSource) -> tuple[Messages, Messages]:
    """Return a prompt with the chosen answer, and the messages that the rejected one has instead.

    Answers are texts or lists of messages. The prompt is the source's prompt field, a text or
    a list of messages, and all that both lists begin with; what stands in both is taken once.

    Raises:
        BadRecordError: a part is missing or malformed, there is no prompt, or the answers do not
            differ.
    """
    chosen = _side(record, source.chosen_field, "assistant", source)
    rejected = _side(record, source.rejected_field, "assistant", source)
    prompt = _prompt(record, source)
    if prompt:
        repeated, answers_hold_it = _overlap(prompt, _common_beginning(chosen, rejected))
        lead = () if answers_hold_it else prompt
        chosen, rejected = (*lead, *chosen[repeated:]), (*lead, *rejected[repeated:])
    start = len(_common_beginning(chosen, rejected))
    _require_two_answers(chosen, rejected, start, source)
    return chosen, rejected[start:]


def _prompt(record: Record, source: RecordSource) -> Messages:
    """Return the messages of the prompt field; none where it is absent."""
    name = source.prompt_field
    if name is None:
        return ()
    try:
        value = field_of(record, name)
    except BadRecordError:
        return ()
    return () if value is None else _side(record, name, "user", source)


def _side(record: Record, name: str, role: str, source: RecordSource) -> Messages:
    """Return the messages of a field; a text is one message of the role."""
    value = field_of(record, name)
    if isinstance(value, str | bytes):
        return ((role, text_of(record, name)),)
    return _messages(value, name, source)


def _messages(value: object, name: str, source: RecordSource) -> Messages:
    if isinstance(value, Mapping):
        return _columns(value, name, source)
    if not isinstance(value, list | tuple):
        what = f"expected a list of messages in '{name}', found {kind_of(value)}"
        raise BadRecordError(what)
    return tuple(_message(message, source) for message in value)


def _columns(value: Record, name: str, source: RecordSource) -> Messages:
    """Return messages that are stored as a list of roles beside a list of contents."""
    roles, contents = value.get(source.role_key), value.get(source.content_key)
    if not isinstance(roles, list) or not isinstance(contents, list) or len(roles) != len(contents):
        what = f"expected a list of messages in '{name}', found {kind_of(value)}"
        raise BadRecordError(what)
    keys = (source.role_key, source.content_key)
    return tuple(
        _message(dict(zip(keys, pair, strict=True)), source)
        for pair in zip(roles, contents, strict=True)
    )


def _message(message: object, source: RecordSource) -> tuple[str, str]:
    if isinstance(message, str):
        what = "expected a message with a role and content, found a text without a role"
        raise BadRecordError(what)
    if not isinstance(message, Mapping):
        what = f"expected a message with fields, found {kind_of(message)}"
        raise BadRecordError(what)
    if any(message.get(key) for key in _TOOL_KEYS):
        what = "a message calls tools, which a conversation of texts cannot hold"
        raise BadRecordError(what)
    role = text_of(message, source.role_key)
    role = source.roles.get(role, role)
    if role not in _ROLES:
        what = f"a message of the role {role!r}; user, assistant and system are known"
        raise BadRecordError(what)
    return role, _content(field_of(message, source.content_key), source.content_key)


def _content(value: object, name: str) -> str:
    """Return the content of a message: a text, or a list of parts that are all texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, list | tuple):
        return "".join(_part(part, name) for part in value)
    what = f"expected text in '{name}', found {kind_of(value)}"
    raise BadRecordError(what)


def _part(part: object, name: str) -> str:
    if not isinstance(part, Mapping):
        what = f"expected a part with fields in '{name}', found {kind_of(part)}"
        raise BadRecordError(what)
    kind = part.get("type")
    if kind != "text":
        what = f"a part of the type {kind!r} in '{name}'; only 'text' can be taken"
        raise BadRecordError(what)
    return text_of(part, "text")


def _common_beginning(first: Messages, second: Messages) -> Messages:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return first[:count]


def _overlap(prompt: Messages, shared: Messages) -> tuple[int, bool]:
    """Return how many messages of the answers repeat the prompt, and whether they hold all of it.

    Lists that hold the prompt behind a system message of their own are left as they are.
    """
    start = 0
    while start < len(shared) and shared[start][0] == "system":
        start += 1
    if start and shared[start : start + len(prompt)] == prompt:
        return 0, True
    longest = min(len(prompt), len(shared))
    counts = range(longest, 0, -1)
    return next((count for count in counts if prompt[-count:] == shared[:count]), 0), False


def _require_two_answers(
    chosen: Messages, rejected: Messages, start: int, source: RecordSource
) -> None:
    """Refuse sides that do not go on from the same prompt with answers of their own."""
    names = f"'{source.chosen_field}' and '{source.rejected_field}'"
    if chosen == rejected:
        what = f"{names} are equal"
        raise BadRecordError(what)
    if start in (len(chosen), len(rejected)):
        what = f"one of {names} is the beginning of the other"
        raise BadRecordError(what)
    if chosen[start][0] != "assistant" or rejected[start][0] != "assistant":
        what = f"{names} answer different prompts"
        raise BadRecordError(what)
    if start == 0:
        what = f"no prompt, and {names} have no common beginning"
        raise BadRecordError(what)
    _require_answer(chosen[start:], source.chosen_field)
    _require_answer(rejected[start:], source.rejected_field)


def _require_answer(messages: Messages, name: str) -> None:
    answers = [content for role, content in messages if role == "assistant"]
    if not answers:
        what = f"no message of the role 'assistant' in '{name}'"
        raise BadRecordError(what)
    if all(not content or content.isspace() for content in answers):
        what = f"only empty answers in '{name}'"
        raise BadRecordError(what)
