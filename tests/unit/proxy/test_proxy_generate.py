"""Cached greedy decoding against reading everything anew for every token."""

from __future__ import annotations

import pytest
import torch
from proxy_reference import VOCABULARY, make

from mixopt.proxy import generate
from mixopt.proxy.generate import greedy
from mixopt.proxy.model import Stack
from mixopt.seeds import generator


def _prompts(count: int) -> list[list[int]]:
    stream = generator(1, "prompts")
    lengths = stream.integers(1, 12, count)
    return [stream.integers(0, VOCABULARY, length).tolist() for length in lengths]


def _uncached(stack: Stack, prompt: list[int], size: int, stop: int) -> list[list[int]]:
    answers = []
    for member in range(stack.num_members):
        answer: list[int] = []
        while len(answer) < 8:
            tokens = torch.tensor(prompt + answer).expand(stack.num_members, 1, -1)
            best = int(stack.forward(tokens)[member, 0, -1, :size].argmax())
            if best == stop:
                break
            answer.append(best)
        answers.append(answer)
    return answers


@pytest.mark.parametrize("batch", [3, 64])
@pytest.mark.parametrize("size", [VOCABULARY, 9])
def test_cached_decoding_equals_uncached(
    monkeypatch: pytest.MonkeyPatch, batch: int, size: int
) -> None:
    monkeypatch.setattr(generate, "_BATCH", batch)
    stack, prompts = make([1, 2, 3], dtype=torch.float32), _prompts(10)
    free = greedy(stack, prompts, max_new_tokens=8, stop=VOCABULARY, vocabulary=size)
    stop = free[1][2][5]
    answers = greedy(stack, prompts, max_new_tokens=8, stop=stop, vocabulary=size)
    assert len({len(answer) for member in answers for answer in member}) > 1
    for number, prompt in enumerate(prompts):
        expected = _uncached(stack, prompt, size, stop)
        assert [member[number] for member in answers] == expected


def test_an_answer_may_be_empty_and_never_holds_the_stop() -> None:
    stack, prompts = make([1]), _prompts(4)
    free = greedy(stack, prompts, max_new_tokens=3, stop=VOCABULARY + 1)
    first = free[0][0][0]
    stopped = greedy(stack, prompts, max_new_tokens=3, stop=first)
    assert stopped[0][0] == []
    assert not any(first in answer for answer in stopped[0])


def test_nothing_to_do_is_no_error() -> None:
    stack = make([1, 2])
    assert greedy(stack, [], max_new_tokens=3, stop=0) == [[], []]
    assert greedy(stack, [[1]], max_new_tokens=0, stop=0) == [[[]], [[]]]


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        greedy(make([1]), [[1], []], max_new_tokens=3, stop=0)
