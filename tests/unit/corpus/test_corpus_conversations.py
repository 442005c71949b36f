"""The conversation template: its text, its targets, and prompts that are prefixes of examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus_fakes import BYTES, exchange, write_tokenizer

from mixopt.catalog.documents import Document
from mixopt.corpus.conversations import (
    encode_conversations,
    render_answer,
    render_conversation,
    render_document,
    render_prompt,
)
from mixopt.corpus.tokenizer import Tokenizer, load_tokenizer
from mixopt.errors import CatalogError

TWO_TURNS = (("user", "12 + 7"), ("assistant", "19"), ("user", "ünï?"), ("assistant", "a\nb"))


@pytest.fixture(params=["bytes", "file"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> Tokenizer:
    if request.param == "bytes":
        return BYTES
    return load_tokenizer(str(write_tokenizer(tmp_path / "tokenizer.json")))


def test_the_template() -> None:
    text = render_document(Document(messages=TWO_TURNS))
    assert text == "Q: 12 + 7\nA: 19\nQ: ünï?\nA: a\nb\n"
    assert render_document(Document(text="as it is")) == "as it is"


def test_a_preference_is_written_with_both_answers() -> None:
    chosen, rejected = exchange("12 + 7", "19").messages, (("assistant", "18"),)
    document = Document(messages=chosen, rejected=rejected)
    assert render_document(document) == "Q: 12 + 7\nA: 19\nA: 18\n"


def test_prompt_and_answer_make_the_conversation() -> None:
    document = exchange("12 + 7", "19")
    pieces = [(render_prompt("12 + 7"), False), (render_answer("19"), True)]
    assert render_conversation(document.messages) == pieces


def test_system_text_opens_and_a_last_question_is_left_out() -> None:
    messages = (("system", "Be brief."), *TWO_TURNS[:2], ("user", "unanswered"))
    text = "".join(text for text, _ in render_conversation(messages))
    assert text == "Be brief.\nQ: 12 + 7\nA: 19\n"


def test_unknown_role_is_an_error() -> None:
    with pytest.raises(CatalogError, match="role 'tool'"):
        render_conversation((("tool", "x"),))


def test_the_prompt_is_a_prefix_of_the_example(tokenizer: Tokenizer) -> None:
    questions = ["12 + 7", "what is the answer", "ends in blank ", "漢字", "A:", ""]
    for question in questions:
        (example,) = encode_conversations([exchange(question, "19").messages], tokenizer)
        assert example is not None
        prompt = tokenizer.encode(render_prompt(question))
        answer = tokenizer.encode(render_answer("19"))
        whole = [*prompt, *answer, tokenizer.end_of_text]
        assert example.tokens.tolist() == whole
        assert example.answers.tolist() == [False] * len(prompt) + [True] * (len(answer) + 1)


def test_masks_equal_those_by_characters() -> None:
    """Slow reference: mark the bytes of every answer by searching for the markers in the text."""
    (example,) = encode_conversations([TWO_TURNS], BYTES)
    assert example is not None
    text = "Q: 12 + 7\nA:[ 19\n]Q: ünï?\nA:[ a\nb\n]"
    expected, inside = [], False
    for character in text:
        if character in "[]":
            inside = character == "["
            continue
        expected += [inside] * len(character.encode())
    assert example.answers.tolist() == [*expected, True]
    assert example.num_bytes == len(expected) == len(example.tokens) - 1


def test_conversations_are_encoded_in_order(tokenizer: Tokenizer) -> None:
    conversations = [exchange(str(n), "a" * n).messages for n in range(5)] + [TWO_TURNS]
    together = encode_conversations(conversations, tokenizer)
    for messages, example in zip(conversations, together, strict=True):
        (alone,) = encode_conversations([messages], tokenizer)
        assert example is not None
        assert alone is not None
        assert np.array_equal(example.tokens, alone.tokens)
        assert np.array_equal(example.answers, alone.answers)


def test_without_an_answer_there_is_no_example() -> None:
    assert encode_conversations([(("user", "anyone?"),), ()], BYTES) == [None, None]
