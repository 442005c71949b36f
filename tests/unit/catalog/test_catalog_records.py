"""Records as documents: fields, scores, labels, conversations and preferences."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mixopt.catalog.readers.intake import BadRecordError
from mixopt.catalog.readers.records import columns_of, document_of, fields_of
from mixopt.catalog.sources import JsonlSource

SOURCE = JsonlSource(reader="jsonl", path="x")
ASK, ANSWER, OTHER = (
    {"role": "user", "content": "2 + 2"},
    {"role": "assistant", "content": "4"},
    {"role": "assistant", "content": "5"},
)
SYSTEM = {"role": "system", "content": "Be brief."}


def source(**options: object) -> JsonlSource:
    return JsonlSource.model_validate({"reader": "jsonl", "path": "x", **options})


def pairs(*messages: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in messages)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"a.b.c": "whole", "a": {"b": {"c": "deep"}}}, "whole"),
        ({"a": {"b": {"c": "deep"}}}, "deep"),
        ({"a": {"b.c": "half"}}, "half"),
        ({"a.b": {"c": "other half"}, "a": {"b": {"c": "deep"}}}, "other half"),
        ({"a.b": {"d": "no"}, "a": {"b": {"c": "deep"}}}, "deep"),
    ],
)
def test_a_dot_enters_a_record_unless_a_key_has_it(record: object, text: str) -> None:
    assert document_of(record, source(text_field="a.b.c"), "text").text == text


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"a": {"x": 1}}, "missing field 'a.b'"),
        ({"a": "flat"}, "missing field 'a.b'"),
        ({"a": {"b": None}}, "expected text in 'a.b', found nothing"),
        ({"a": {"b": 3}}, "expected text in 'a.b', found a value of type int"),
        ({"a": {"b": b"caf\xe9"}}, "not UTF-8"),
        ({"a": {"b": " \n"}}, "empty document"),
        ({"a": {"b": "\ud800"}}, "no valid Unicode"),
        (["a.b"], "expected a record with fields, found a value of type list"),
    ],
)
def test_a_record_without_a_text_says_why(record: object, reason: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        document_of(record, source(text_field="a.b"), "text")
    assert str(caught.value).startswith(reason)


def test_scores_and_labels_are_sorted_by_their_names() -> None:
    fields = source(
        scores={"z": "meta.z", "a": "q"}, labels={"topic": "meta.topic", "kept": "ok", "year": "y"}
    )
    meta = {"z": Decimal("0.5"), "topic": b"caf\xc3\xa9"}
    record = {"text": "x", "q": 3, "ok": True, "y": 1999, "meta": meta}
    document = document_of(record, fields, "text")
    assert document.scores == (("a", 3.0), ("z", 0.5))
    assert document.labels == (("kept", "true"), ("topic", "café"), ("year", "1999"))


@pytest.mark.parametrize("value", [None, "7", True, float("nan"), float("-inf"), 10**400, [1]])
def test_a_score_is_a_finite_number(value: object) -> None:
    with pytest.raises(BadRecordError, match="expected a finite number in 'q', found"):
        document_of({"text": "x", "q": value}, source(scores={"quality": "q"}), "text")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "expected a label in 'l', found nothing"), (1.5, "float"), ("\udcff", "no valid")],
)
def test_a_label_is_a_text_or_a_whole_number(value: object, reason: str) -> None:
    with pytest.raises(BadRecordError, match=reason):
        document_of({"text": "x", "l": value}, source(labels={"label": "l"}), "text")


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, ANSWER],
        [{"role": "human", "content": "2 + 2"}, {"role": "gpt", "content": "4"}],
        [
            {**ASK, "content": [{"type": "text", "text": "2 +"}, {"type": "text", "text": " 2"}]},
            ANSWER,
        ],
        [ASK, {**ANSWER, "tool_calls": [], "function_call": None}],
        {"role": ["user", "assistant"], "content": ["2 + 2", "4"]},
    ],
)
def test_conversations_have_several_shapes(messages: object) -> None:
    document = document_of({"messages": messages}, SOURCE, "conversation")
    assert document.messages == pairs(ASK, ANSWER)
    assert not document.text


def test_the_keys_of_messages_come_from_the_source() -> None:
    fields = source(
        messages_field="chat.turns",
        role_key="from",
        content_key="value",
        roles={"kunde": "user", "hilfe": "assistant"},
    )
    turns = [{"from": "kunde", "value": ""}, {"from": "hilfe", "value": "Ja?"}]
    document = document_of({"chat": {"turns": turns}}, fields, "conversation")
    assert document.messages == (("user", ""), ("assistant", "Ja?"))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (None, "expected a list of messages in 'messages', found nothing"),
        ("hello", "expected a list of messages in 'messages', found a value of type str"),
        ({"role": ["user"], "content": []}, "expected a list of messages"),
        ([], "empty document"),
        (["2 + 2", "4"], "expected a message with a role and content, found a text without a role"),
        ([7], "expected a message with fields"),
        ([{"role": "user"}], "missing field 'content'"),
        ([ASK], "no message of the role 'assistant' in 'messages'"),
        ([ASK, {**ANSWER, "content": " "}], "only empty answers in 'messages'"),
        ([ASK, {**ANSWER, "content": None}], "expected text in 'content', found nothing"),
        ([{**ASK, "role": "tool"}, ANSWER], "a message of the role 'tool'"),
        ([ASK, {**ANSWER, "tool_calls": [{"id": "1"}]}], "a message calls tools"),
        ([{**ASK, "content": [{"type": "image_url"}]}, ANSWER], "a part of the type 'image_url'"),
        ([{**ASK, "content": ["2 + 2"]}, ANSWER], "expected a part with fields in 'content'"),
        ([ASK, {**ANSWER, "content": "\ud800"}], "no valid Unicode"),
    ],
)
def test_a_record_without_a_conversation_says_why(messages: object, reason: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        document_of({"messages": messages}, SOURCE, "conversation")
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "2 + 2", "chosen": "4", "rejected": "5"},
        {"prompt": [ASK], "chosen": [ANSWER], "rejected": "5"},
        {"prompt": "2 + 2", "chosen": [ASK, ANSWER], "rejected": [ASK, OTHER]},
        {"prompt": [ASK], "chosen": [ASK, ANSWER], "rejected": [ASK, OTHER]},
        {"prompt": None, "chosen": [ASK, ANSWER], "rejected": [ASK, OTHER]},
        {"chosen": [ASK, ANSWER], "rejected": [ASK, OTHER]},
    ],
)
def test_preferences_have_several_shapes(record: object) -> None:
    document = document_of(record, SOURCE, "preference")
    assert document.messages == pairs(ASK, ANSWER)
    assert document.rejected == pairs(OTHER)


@pytest.mark.parametrize(
    ("prompt", "begin"),
    [
        ("2 + 2", [SYSTEM, ASK]),
        ([SYSTEM, ASK], [SYSTEM, ASK]),
        ([SYSTEM, ASK], [ASK]),
        (None, [SYSTEM, ASK]),
    ],
)
def test_a_repeated_prompt_is_taken_once(prompt: object, begin: list[dict[str, str]]) -> None:
    record = {"prompt": prompt, "chosen": [*begin, ANSWER], "rejected": [*begin, OTHER]}
    document = document_of(record, SOURCE, "preference")
    assert document.messages == pairs(SYSTEM, ASK, ANSWER)
    assert document.rejected == pairs(OTHER)


def test_answers_part_where_they_begin_to_differ() -> None:
    again = {"role": "user", "content": "Sure?"}
    record = {"chosen": [ASK, ANSWER, again, ANSWER], "rejected": [ASK, ANSWER, again, OTHER, ASK]}
    document = document_of(record, SOURCE, "preference")
    assert document.messages == pairs(ASK, ANSWER, again, ANSWER)
    assert document.rejected == pairs(OTHER, ASK)


def test_a_prompt_field_may_be_none_and_answers_lie_deeper() -> None:
    fields = source(prompt_field=None, chosen_field="pair.good", rejected_field="pair.bad")
    record = {"prompt": 3, "pair": {"good": [ASK, ANSWER], "bad": [ASK, OTHER]}}
    assert document_of(record, fields, "preference").rejected == pairs(OTHER)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"prompt": "a", "chosen": "b"}, "missing field 'rejected'"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "'chosen' and 'rejected' are equal"),
        ({"chosen": "b", "rejected": "c"}, "no prompt"),
        ({"chosen": [ANSWER], "rejected": [OTHER]}, "no prompt"),
        ({"prompt": 7, "chosen": "b", "rejected": "c"}, "expected a list of messages in 'prompt'"),
        (
            {"prompt": "a", "chosen": None, "rejected": "c"},
            "expected a list of messages in 'chosen'",
        ),
        ({"prompt": "a", "chosen": "b", "rejected": " "}, "only empty answers in 'rejected'"),
        ({"chosen": [ASK, ANSWER], "rejected": [ASK]}, "one of 'chosen' and 'rejected' is the"),
        ({"chosen": [ASK, ANSWER], "rejected": [SYSTEM, OTHER]}, "'chosen' and 'rejected' answer"),
    ],
)
def test_a_record_without_a_preference_says_why(record: object, reason: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        document_of(record, SOURCE, "preference")
    assert str(caught.value).startswith(reason)


def test_only_the_columns_that_are_needed_are_read() -> None:
    fields = source(text_field="a.b", scores={"q": "meta.q"}, prompt_field="ask")
    assert set(fields_of(fields, "text")) == {"a.b", "a", "meta.q", "meta"}
    assert columns_of(["id", "meta", "a"], fields, "text") == ["meta", "a"]
    assert columns_of(["rejected", "chosen", "meta.q"], fields, "preference") == [
        "rejected",
        "chosen",
        "meta.q",
    ]
    with pytest.raises(BadRecordError, match=r"missing field 'meta\.q'"):
        columns_of(["a.b"], fields, "text")
