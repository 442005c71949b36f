"""Answers that members sample to problems, which of them are right, and pass@k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.proxy.model import Stack
from mixopt.proxy.sampling import Sampling, sample
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import find_family

PASSES: Final = (1, 4, 8)
"""The k of pass@k that there are measures for."""

_KEY = seeds.derive(0, "sampled answers")


def sampled_answers(
    stack: Stack, problems: Sequence[Problem], tokenizer: Tokenizer, samples: int
) -> NDArray[np.bool_]:
    """Return whether the verifier accepts each of several answers sampled at temperature 1.

    Every member answers with the same random numbers at every occasion, so that what differs
    between two of them, or between two stages of one, is the members.

    Args:
        stack: K members.
        problems: N, put as a chat would.
        tokenizer: of the members.
        samples: answers to each problem, S.

    Returns:
        [K, N, S].
    """
    prompts = [tokenizer.encode(render_prompt(each.question)).tolist() for each in problems]
    responses = (text for each in problems for text in (each.response, each.wrong_response))
    longest = max((len(tokenizer.encode(render_answer(text))) for text in responses), default=0)
    members = stack.num_members
    answers = sample(
        stack,
        [prompts] * members,
        [_KEY] * members,
        Sampling(
            samples=samples,
            max_new_tokens=longest + 2,
            stop=tokenizer.end_of_text,
            vocabulary=tokenizer.size,
        ),
    )
    return np.array(
        [
            [
                [find_family(problem.family).verify(problem, tokenizer.decode(ids)) for ids in each]
                for problem, each in zip(problems, own, strict=True)
            ]
            for own in answers
        ]
    ).reshape(members, len(problems), samples)


def pass_at_k(right: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Return the chance that one of k sampled answers is right, without bias.

    With c of n samples right it is 1 - C(n - c, k) / C(n, k), here as the product of
    1 - k / i over i from n - c + 1 to n (Chen et al. 2021, "Evaluating large language models
    trained on code", eq. 1).

    Args:
        right: [..., n] whether each sample is right.
        k: from 1 to n.

    Returns:
        [...].

    Raises:
        ValueError: k is out of range.
    """
    count = right.shape[-1]
    if not 1 <= k <= count:
        message = f"pass@k of {count} samples needs k from 1 to {count}, got {k}"
        raise ValueError(message)
    wrong = count - right.sum(axis=-1)
    numbers = np.arange(1, count + 1)
    factors = np.where(numbers > wrong[..., None], np.clip(1 - k / numbers, 0, None), 1.0)
    return np.asarray(1 - factors.prod(axis=-1))
