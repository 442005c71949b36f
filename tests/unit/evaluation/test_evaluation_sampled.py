"""Sampled answers under the verifier, and pass@k against all choices of k samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from tiny import PROXY

from mixopt import seeds
from mixopt.corpus.conversations import render_prompt
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.evaluation import sampled
from mixopt.evaluation.sampled import pass_at_k, sampled_answers
from mixopt.proxy.model import Stack
from mixopt.proxy.sampling import Sampling
from mixopt.tasks.sample import sample_problems

_BYTES = ByteTokenizer()
_PROBLEMS = sample_problems("comparison", level=2, split="validation", count=5, seed=0)


def _stack(*members: int) -> Stack:
    return Stack.initialize(PROXY, vocabulary=264, seeds=members)


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_pass_at_k_is_the_share_of_choices_with_a_right_answer(k: int, seed: int) -> None:
    right = seeds.generator(seed, "right").random((2, 4, 8)) < [[[0.1]], [[0.6]]]
    chosen = list(combinations(range(8), k))
    expected = np.mean([right[..., list(each)].any(axis=-1) for each in chosen], axis=0)
    assert pass_at_k(right, k) == pytest.approx(expected)


def test_pass_at_k_of_no_and_of_all_right() -> None:
    nothing, everything = np.zeros((1, 6), bool), np.ones((1, 6), bool)
    assert [pass_at_k(nothing, k)[0] for k in (1, 6)] == [0, 0]
    assert [pass_at_k(everything, k)[0] for k in (1, 6)] == [1, 1]


@pytest.mark.parametrize("k", [0, 7])
def test_pass_at_k_needs_k_samples(k: int) -> None:
    with pytest.raises(ValueError, match="of 6 samples needs k from 1 to 6"):
        pass_at_k(np.zeros((1, 6), bool), k)


def test_the_verifier_decides_of_every_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(
        _stack: Stack, prompts: Sequence[Sequence[list[int]]], keys: list[int], drawn: Sampling
    ) -> list[list[list[list[int]]]]:
        texts = [bytes(prompt).decode() for prompt in prompts[1]]
        assert texts == [render_prompt(problem.question) for problem in _PROBLEMS]
        assert (len(keys), drawn.samples, drawn.stop, drawn.temperature) == (2, 3, 256, 1.0)
        one = [
            [[*f" {p.answer}\n".encode(), 256], [*f" {p.wrong}\n".encode()], []] for p in _PROBLEMS
        ]
        return [one, [each[::-1] for each in one]]

    monkeypatch.setattr(sampled, "sample", answers)
    found = sampled_answers(_stack(1, 2), _PROBLEMS, _BYTES, 3)
    assert found.tolist() == [[[True, False, False]] * 5, [[False, False, True]] * 5]


def test_a_member_answers_as_it_would_alone_and_at_every_occasion() -> None:
    stack = _stack(1, 2)
    stack.parameters[:, :] = 0  # every token is as likely as any other
    both = sampled_answers(stack, _PROBLEMS, _BYTES, 40)
    alone = sampled_answers(
        Stack(PROXY, vocabulary=264, parameters=stack.parameters[:1]), _PROBLEMS, _BYTES, 40
    )
    assert both.shape == (2, 5, 40)
    assert np.array_equal(both[0], both[1])
    assert np.array_equal(both[0], alone[0])


def test_no_problems_are_no_answers() -> None:
    assert sampled_answers(_stack(1, 2), [], _BYTES, 3).shape == (2, 0, 3)
