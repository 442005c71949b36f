"""Sampling against the distribution, against reading everything anew, and against neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from proxy_reference import VOCABULARY, make

from mixopt.proxy.model import Stack
from mixopt.proxy.sampling import Prompts, Sampling, sample
from mixopt.seeds import generator

pytestmark = pytest.mark.usefixtures("one_thread")

SAMPLING = Sampling(samples=4, max_new_tokens=6, stop=3, vocabulary=VOCABULARY)


def _prompts(seed: int, count: int) -> list[list[int]]:
    stream = generator(seed, "prompts")
    lengths = stream.integers(1, 20, count)
    return [stream.integers(0, VOCABULARY, length).tolist() for length in lengths]


def _uncached(
    stack: Stack, prompts: Prompts, key: int, sampling: Sampling
) -> list[list[list[int]]]:
    """One member's answers, one token at a time, from random numbers laid out by hand."""
    shape = (len(prompts), sampling.samples, sampling.max_new_tokens)
    uniform = generator(key, "sample").random(shape)
    found: list[list[list[int]]] = []
    temperature = sampling.temperature
    assert isinstance(temperature, float)
    for number, prompt in enumerate(prompts):
        found.append([])
        for draws in uniform[number]:
            answer: list[int] = []
            for draw in draws:
                logits = stack.forward(torch.tensor([[[*prompt, *answer]]]))[0, 0, -1]
                chances = (logits[: sampling.vocabulary] / temperature).softmax(-1)
                below = chances.detach().cumsum(-1) <= draw
                answer.append(int(below.sum()))
                if answer[-1] == sampling.stop:
                    break
            found[-1].append(answer)
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("samples", [1, 4])
def test_cached_sampling_equals_uncached(temperature: float, samples: int) -> None:
    sampling = replace(SAMPLING, temperature=temperature, samples=samples, vocabulary=20)
    prompts = [_prompts(1, 9), [], _prompts(2, 20)]
    found = sample(make([1, 2, 3]), prompts, [11, 12, 13], sampling)
    assert found[1] == []
    for member, seed in ((0, 1), (2, 3)):
        expected = _uncached(make([seed]), prompts[member][:5], 11 + member, sampling)
        assert found[member][:5] == expected
        assert len(found[member]) == len(prompts[member])


def test_tokens_come_as_often_as_they_are_probable() -> None:
    stack, prompt = make([5]), [1, 2, 3]
    sampling = Sampling(samples=4000, max_new_tokens=1, stop=3, vocabulary=8, temperature=0.7)
    drawn = [row[0] for row in sample(stack, [[prompt]], [1], sampling)[0][0]]
    logits = stack.forward(torch.tensor([[prompt]]))[0, 0, -1, :8].detach()
    expected = (logits / 0.7).softmax(-1)
    shares = torch.bincount(torch.tensor(drawn), minlength=8) / len(drawn)
    errors = (expected * (1 - expected) / len(drawn)).sqrt()
    assert ((shares - expected).abs() < 4 * errors).all()


def test_a_member_writes_the_same_whatever_its_neighbours() -> None:
    own = _prompts(1, 7)
    alone = sample(make([4], dtype=torch.float32), [own], [9], SAMPLING)
    stack = make([1, 4, 2], dtype=torch.float32)
    stack.parameters[2] = torch.nan
    others = [_prompts(2, 40), own, _prompts(3, 1)]
    assert sample(stack, others, [7, 9, 8], SAMPLING)[1] == alone[0]
    assert sample(stack, others, [7, 10, 8], SAMPLING)[1] != alone[0]


def test_more_prompts_leave_the_first_as_they_are() -> None:
    stack, prompts = make([1]), _prompts(3, 30)
    few = sample(stack, [prompts[:4]], [5], SAMPLING)[0]
    assert sample(stack, [prompts], [5], SAMPLING)[0][:4] == few


def test_an_answer_ends_with_the_stop_or_is_cut_off() -> None:
    answers = sample(make([1]), [_prompts(1, 20)], [2], SAMPLING)[0]
    rows = [row for each in answers for row in each]
    assert all((SAMPLING.stop in row) == (row[-1] == SAMPLING.stop) for row in rows)
    assert {row[-1] == SAMPLING.stop for row in rows} == {True, False}
    assert all(len(row) == SAMPLING.max_new_tokens or row[-1] == SAMPLING.stop for row in rows)


def test_nothing_to_do_is_no_error() -> None:
    assert sample(make([1, 2]), [[], []], [1, 2], SAMPLING) == [[], []]
    none = replace(SAMPLING, max_new_tokens=0)
    assert sample(make([1]), [[[1]]], [1], none) == [[[[], [], [], []]]]


def test_empty_prompts_and_frozen_temperatures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        sample(make([1]), [[[]]], [1], SAMPLING)
    with pytest.raises(ValueError, match="positive temperature"):
        sample(make([1]), [[[1]]], [1], replace(SAMPLING, temperature=0.0))
