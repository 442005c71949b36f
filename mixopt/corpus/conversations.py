r"""Conversations as plain text: the template, which part of it is learned, and its tokens.

A conversation reads `Q: {user}\nA: {assistant}\n`, once per exchange. The blank after
`A:` belongs to the answer, because subword tokenizers write a word and the blank before it as
one token. end_of_text follows the last answer only: the token after an earlier answer is a question
and never a target, so a model learns to stop after every answer all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.documents import Document
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import CatalogError

Messages = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One conversation as tokens.

    Attributes:
        tokens: uint32 [T]; prompt and answer tokens in turn, then end_of_text.
        answers: bool [T]; True where the token is a target of the loss.
        num_bytes: UTF-8 bytes of the text behind the tokens.
    """

    tokens: NDArray[np.uint32]
    answers: NDArray[np.bool_]
    num_bytes: int


def render_prompt(question: str) -> str:
    """Return the text that a model is given at test time; its answer follows directly."""
    return f"Q: {question}\nA:"


def render_answer(response: str) -> str:
    """Return the text that a model is to write after `render_prompt`, before end_of_text."""
    return f" {response}\n"


def render_conversation(messages: Messages) -> list[tuple[str, bool]]:
    """Return the pieces of a conversation as (text, is_answer), prompts and answers in turn.

    Messages after the last answer are left out: nothing in them is learned.

    Raises:
        CatalogError: a role is none of `user`, `assistant` and `system`.
    """
    pieces: list[tuple[str, bool]] = []
    prompt = ""
    for role, content in messages:
        if role == "assistant":
            pieces += [(f"{prompt}A:", False), (render_answer(content), True)]
            prompt = ""
        else:
            prompt += _prompt_line(role, content)
    return pieces


def render_document(document: Document) -> str:
    """Return the whole text of a document: its own, or that of its conversation.

    A preference is the conversation with the chosen answer, then the rejected answer.
    """
    if not document.messages:
        return document.text
    pieces = render_conversation(document.messages) + render_conversation(document.rejected)
    return "".join(text for text, _ in pieces)


def encode_conversations(
    conversations: Sequence[Messages], tokenizer: Tokenizer
) -> list[Example | None]:
    """Return the tokens of each conversation; None for one without an answer.

    Every piece is encoded by itself, so the tokens of a prompt are the same whether or not its
    answer follows.
    """
    rendered = [render_conversation(messages) for messages in conversations]
    encoded = iter(tokenizer.encode_batch([text for pieces in rendered for text, _ in pieces]))
    end = np.array([tokenizer.end_of_text], np.uint32)
    examples: list[Example | None] = []
    for pieces in rendered:
        parts = [*(next(encoded) for _ in pieces), end]
        flags = [*(is_answer for _, is_answer in pieces), True]
        example = Example(
            tokens=np.concatenate(parts),
            answers=np.repeat(flags, [len(part) for part in parts]),
            num_bytes=sum(len(text.encode()) for text, _ in pieces),
        )
        examples.append(example if pieces else None)
    return examples


def _prompt_line(role: str, content: str) -> str:
    if role == "user":
        return f"Q: {content}\n"
    if role == "system":
        return f"{content}\n"
    what = f"a conversation has a message of the role '{role}'"
    raise CatalogError(
        what,
        why="The template knows the roles user, assistant and system.",
        remedy="Rename the role in the source, or leave such conversations out.",
    )
