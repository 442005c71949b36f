"""Task problems put to all members of a stack: margins, answer probabilities, verified samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt.catalog.documents import Split
from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.evaluation.measure import MEAN, Measure
from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.generate import greedy
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import find_family
from mixopt.tasks.sample import sample_problems

_ROWS_AT_ONCE = 64
_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """Problems of several families as tokens, the same for every proxy.

    `rows` hold the right answer of every problem, then the wrong answer of every problem.
    """

    problems: tuple[Problem, ...]  # N, family by family
    prompts: tuple[tuple[int, ...], ...]  # N
    rows: Tensor  # ids [2N, T+1], padded with end_of_text
    scored: Tensor  # bool [2N, T+1], the tokens of the answer
    answer_bytes: NDArray[np.float64]  # [2N]
    tokenizer: Tokenizer
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scores:
    """Per member and problem, [K, N]."""

    margin: NDArray[np.float64]
    answer_bits_per_byte: NDArray[np.float64]
    answer_probability: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def make_suite(
    levels: Mapping[str, int], split: Split, *, problems: int, tokenizer: Tokenizer
) -> Suite:
    """Draw problems and render them as a chat would.

    Args:
        levels: difficulty of each family.
        split: `validation` while searching, `test` to confirm; training text has neither.
        problems: per family; all there are where a level has fewer.
        tokenizer: of the proxies.

    Raises:
        NotFoundError: a family or level does not exist, or has no problem of the split.
    """
    drawn = [
        problem
        for family in sorted(levels)
        for problem in sample_problems(
            family, level=levels[family], split=split, count=problems, seed=_SEED, at_most=True
        )
    ]
    prompts = [tuple(tokenizer.encode(render_prompt(each.question)).tolist()) for each in drawn]
    texts = [render_answer(each.response) for each in drawn]
    texts += [render_answer(each.wrong_response) for each in drawn]
    answers = [tokenizer.encode(text).tolist() for text in texts]
    rows, scored = _padded([*prompts, *prompts], answers, tokenizer.end_of_text)
    return Suite(
        problems=tuple(drawn),
        prompts=tuple(prompts),
        rows=rows,
        scored=scored,
        answer_bytes=np.array([len(text.encode()) for text in texts], float),
        tokenizer=tokenizer,
        max_new_tokens=max(len(answer) for answer in answers) + 2,
    )


def measure_tasks(backend: Backend, suite: Suite, stage: str) -> list[list[Measure]]:
    """Return the measures of every family and their means, for each of the K members.

    Standard errors are over problems.
    """
    scores = _score(backend, suite)
    families = np.array([problem.family for problem in suite.problems])
    return [_member(scores, member, families, stage) for member in range(backend.stack.num_members)]


def _score(backend: Backend, suite: Suite) -> _Scores:
    parts = [
        _log_probabilities(backend, rows, scored)
        for rows, scored in zip(
            torch.split(suite.rows, _ROWS_AT_ONCE),
            torch.split(suite.scored, _ROWS_AT_ONCE),
            strict=True,
        )
    ]
    logs = torch.cat(parts, dim=1).double().numpy()
    per_byte = logs / suite.answer_bytes
    count = len(suite.problems)
    return _Scores(
        margin=per_byte[:, :count] - per_byte[:, count:],
        answer_bits_per_byte=-per_byte[:, :count] / math.log(2),
        answer_probability=np.exp(logs[:, :count]),
        accuracy=_verified(backend, suite),
    )


def _log_probabilities(backend: Backend, rows: Tensor, scored: Tensor) -> Tensor:
    """Return the log-probability of the scored tokens of each row [N, T+1] in nats; [K, N].

    A row's first token follows nothing and is never scored.
    """
    losses = backend.token_losses(rows[None]).cpu()
    return -(losses * scored[:, 1:].to(losses.dtype)).sum(dim=-1)


def _verified(backend: Backend, suite: Suite) -> NDArray[np.float64]:
    """Return 1 where the verifier accepts the greedy answer; [K, N]."""
    samples = greedy(
        backend.stack,
        [list(prompt) for prompt in suite.prompts],
        max_new_tokens=suite.max_new_tokens,
        stop=suite.tokenizer.end_of_text,
        vocabulary=suite.tokenizer.size,
    )
    return np.array(
        [
            [
                float(find_family(problem.family).verify(problem, suite.tokenizer.decode(ids)))
                for problem, ids in zip(suite.problems, member, strict=True)
            ]
            for member in samples
        ]
    )


def _member(scores: _Scores, member: int, families: NDArray[np.str_], stage: str) -> list[Measure]:
    found = []
    for name in _Scores.__dataclass_fields__:
        row: NDArray[np.float64] = getattr(scores, name)[member]
        groups = {str(family): row[families == family] for family in np.unique(families)}
        values = {family: float(group.mean()) for family, group in groups.items()}
        errors = {family: _standard_error(group) for family, group in groups.items()}
        values[MEAN] = float(np.mean(list(values.values())))
        errors[MEAN] = math.hypot(*errors.values()) / len(errors)
        found += [
            Measure(
                stage=stage, name=name, subject=subject, value=value, standard_error=errors[subject]
            )
            for subject, value in values.items()
        ]
    return found


def _standard_error(group: NDArray[np.float64]) -> float:
    return float(group.std(ddof=1) / math.sqrt(len(group))) if len(group) > 1 else 0.0


def _padded(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], padding: int
) -> tuple[Tensor, Tensor]:
    longest = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    rows = torch.full((len(prompts), longest), padding, dtype=torch.int64)
    scored = torch.zeros((len(prompts), longest), dtype=torch.bool)
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        end = len(prompt) + len(answer)
        rows[number, :end] = torch.tensor([*prompt, *answer])
        scored[number, len(prompt) : end] = True
    return rows, scored
