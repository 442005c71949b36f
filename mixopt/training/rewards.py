"""The exact reward: an answer is right and nothing but an answer, or it is worth nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mixopt.corpus.conversations import render_answer
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.tasks.problem import STEP_SEPARATOR, Problem
from mixopt.tasks.registry import find_family
from mixopt.tasks.sample import split_of

_NUMBER, _WORD = re.compile(r"[0-9]+"), re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """What can be said of an answer."""

    exact: bool  # the verifier accepts it
    well_formed: bool  # it is written as an answer to such a problem is


def grade(problem: Problem, text: str) -> Grade:
    """Return the grade of what was written after a prompt.

    A verifier looks for the right answer and overlooks what else there is, which a policy that is
    paid by it learns to fill. So an answer is well-formed only if it is one line, spelled as
    `render_answer` spells it, that has the form of the right answer, digits and letters aside,
    after no more steps than needed, each of the form of some right step. That leaves no room for
    several answers, an answer repeated, an echo of the prompt, further questions or blanks.
    """
    line = " ".join(text.split())
    *steps, answer = line.split(STEP_SEPARATOR)
    needed = problem.steps.split(STEP_SEPARATOR) if problem.steps else []
    well_formed = (
        text == render_answer(line)
        and _form(answer) == _form(problem.answer)
        and len(steps) <= len(needed)
        and {_form(step) for step in steps} <= {_form(step) for step in needed}
    )
    return Grade(exact=find_family(problem.family).verify(problem, text), well_formed=well_formed)


def reward(problem: Problem, answer: Sequence[int], tokenizer: Tokenizer) -> float:
    """Return 1 for an answer in tokens that is ended, exact and well-formed, and 0 for all others.

    Args:
        problem: what was asked.
        answer: what was written after the prompt; end_of_text last, unless it was cut off.
        tokenizer: of the tokens.
    """
    if not answer or answer[-1] != tokenizer.end_of_text:
        return 0.0
    found = grade(problem, tokenizer.decode(list(answer[:-1])))
    return float(found.exact and found.well_formed)


def exact_rewards(
    problems: Sequence[Sequence[Problem]],
    answers: Sequence[Sequence[Sequence[Sequence[int]]]],
    tokenizer: Tokenizer,
) -> Tensor:
    """Return the rewards of n answers to each of P problems of every member, [K, P, n].

    Args:
        problems: [K][P], of the training split.
        answers: token ids by member, problem and sample, [K][P][n].
        tokenizer: of the tokens.

    Raises:
        ValueError: a problem is none of the training split.
    """
    require_training(problem for own in problems for problem in own)
    rewards = [
        [
            [reward(problem, answer, tokenizer) for answer in samples]
            for problem, samples in zip(asked, own, strict=True)
        ]
        for asked, own in zip(problems, answers, strict=True)
    ]
    return torch.tensor(rewards)


def require_training(problems: Iterable[Problem]) -> None:
    """Refuse problems that proxies are measured on: nothing may be learned from their answers.

    Raises:
        ValueError: a problem is none of the training split.
    """
    for problem in problems:
        split = split_of(problem)
        if split != "train":
            message = f"'{problem.question}' is a {split} problem, and nothing may learn from it"
            raise ValueError(message)


def _form(text: str) -> str:
    """Return the text with every number as 0 and every word as a: `3+14=17` as `0+0=0`."""
    return _WORD.sub("a", _NUMBER.sub("0", text))
