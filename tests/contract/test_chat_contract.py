"""What fine-tuning learns of a conversation, against the chat templates of `transformers`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mixopt.corpus.conversations import Messages, encode_conversations
from mixopt.corpus.packing import pack
from mixopt.corpus.store import Batch as Rows
from mixopt.corpus.tokenizer import HuggingFaceTokenizer
from mixopt.training.stages import sft

END = "<|endoftext|>"
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}{{ 'Q: ' + message.content + '\\n' }}"
    "{% elif message.role == 'system' %}{{ message.content + '\\n' }}"
    "{% else %}{{ 'A:' }}"
    "{% generation %}{{ ' ' + message.content + '\\n' }}"
    "{% if loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}"
    "{% endif %}{% endfor %}"
)
CONVERSATIONS: dict[str, Messages] = {
    "one exchange": [("user", "add 12 7"), ("assistant", "19")],
    "steps": [("user", "calc 3+4-2"), ("assistant", "3+4=7; 7-2=5; 5")],
    "several exchanges": [
        ("user", "add 1 2"),
        ("assistant", "3"),
        ("user", "and 4?"),
        ("assistant", "7, as 3 and 4 are 7"),
    ],
    "a system's word": [("system", "Be short."), ("user", "add 1 2"), ("assistant", "3")],
    "two questions": [("user", "add 1 2"), ("user", "add 3 4"), ("assistant", "3 and 7")],
    "the template's own words": [("user", "A: Q:"), ("assistant", "Q: A: Q:")],
    "an end in the text": [("user", f"spell {END}"), ("assistant", "no")],
}


@cache
def _backend() -> tokenizers.Tokenizer:
    """Return a byte-level tokenizer of a few hundred tokens, some of them words with blanks."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([" 19 and 7, as 3 and 4 are 7\nQ: add 12 7\nA: 19\n"] * 9, trainer)
    return made


def _ours() -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer("tiny", tokenizers.Tokenizer.from_str(_backend().to_str()))


def _theirs(messages: Messages) -> tuple[list[int], list[int]]:
    """Return ids and the mask of what assistants write, as `transformers` has them."""
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # as transformers has it
        tokenizer_object=tokenizers.Tokenizer.from_str(_backend().to_str()),
        eos_token=END,
        chat_template=TEMPLATE,
    )
    chat = [{"role": role, "content": content} for role, content in messages]
    found: Any = tokenizer.apply_chat_template(
        chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    return list(found["input_ids"]), list(found["assistant_masks"])


@pytest.mark.parametrize("name", [name for name in CONVERSATIONS if "end in" not in name])
def test_answers_are_what_assistants_write(name: str) -> None:
    (example,) = encode_conversations([CONVERSATIONS[name]], _ours())
    assert example is not None
    ids, mask = _theirs(CONVERSATIONS[name])
    assert example.tokens.tolist() == ids
    assert example.answers.tolist() == [bool(each) for each in mask]
    assert 0 < sum(mask) < len(mask)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_text_ends_a_conversation(name: str) -> None:
    (example,) = encode_conversations([CONVERSATIONS[name]], _ours())
    assert example is not None
    ends = np.flatnonzero(example.tokens == _ours().end_of_text)
    assert ends.tolist() == [len(example.tokens) - 1]


def test_the_loss_counts_what_the_masks_of_all_conversations_count() -> None:
    chosen = [CONVERSATIONS[name] for name in CONVERSATIONS if "end in" not in name]
    examples = [each for each in encode_conversations(chosen, _ours()) if each]
    rows = pack(examples, row_length=80, padding=0)
    batch = sft.batch(
        Rows(
            tokens=rows.tokens[None].astype(np.int64),
            answers=rows.answers[None],
            segments=rows.segments[None],
        )
    )
    masks = [_theirs(each) for each in chosen]
    expected = sorted(
        token for ids, mask in masks for token, counts in zip(ids, mask, strict=True) if counts
    )
    assert batch.weights is not None
    learned = batch.tokens[..., 1:][batch.weights > 0]
    assert sorted(learned.tolist()) == expected
    torch.testing.assert_close(batch.weights.sum(), torch.tensor(1.0))
    assert len(set(batch.weights.flatten().tolist())) == 2
