"""Task problems put to all members of a stack: margins, answer probabilities, verified answers."""

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
from mixopt.errors import NotFoundError
from mixopt.evaluation.measure import MEAN, Measure
from mixopt.evaluation.sampled import PASSES, pass_at_k, sampled_answers
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

    problems: tuple[Problem, ...]  # N, subject by subject
    subjects: tuple[str, ...]  # N, the family, or family@level where it is another level's
    prompts: tuple[tuple[int, ...], ...]  # N
    rows: Tensor  # ids [2N, T+1], padded with end_of_text
    scored: Tensor  # bool [2N, T+1], the tokens of the answer
    answer_bytes: NDArray[np.float64]  # [2N]
    tokenizer: Tokenizer
    max_new_tokens: int


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
    places = [(family, family, levels[family]) for family in sorted(levels)]
    return _suite(_draw(places, split, problems), tokenizer)


def make_level_suite(
    levels: Mapping[str, int], split: Split, *, problems: int, tokenizer: Tokenizer
) -> Suite | None:
    """Draw problems one level easier and one level harder than each family's; None without any.

    They are apart from the families' own, whose measures shall not depend on them, and count in no
    mean. See `make_suite`.
    """
    places = [
        (f"{family}@{level}", family, level)
        for family in sorted(levels)
        for level in (levels[family] - 1, levels[family] + 1)
        if level in find_family(family).levels
    ]
    drawn = _draw(places, split, problems, skip=True)
    return _suite(drawn, tokenizer) if drawn else None


def _draw(
    places: Sequence[tuple[str, str, int]], split: Split, problems: int, *, skip: bool = False
) -> list[tuple[str, Problem]]:
    """Draw problems of each (subject, family, level); may skip levels without one in the split."""
    drawn: list[tuple[str, Problem]] = []
    for subject, family, level in places:
        try:
            found = sample_problems(
                family, level=level, split=split, count=problems, seed=_SEED, at_most=True
            )
        except NotFoundError:
            if not skip:
                raise
            continue
        drawn += [(subject, problem) for problem in found]
    return drawn


def _suite(drawn: Sequence[tuple[str, Problem]], tokenizer: Tokenizer) -> Suite:
    problems = [problem for _, problem in drawn]
    prompts = [tuple(tokenizer.encode(render_prompt(each.question)).tolist()) for each in problems]
    texts = [render_answer(each.response) for each in problems]
    texts += [render_answer(each.wrong_response) for each in problems]
    answers = [tokenizer.encode(text).tolist() for text in texts]
    rows, scored = _padded([*prompts, *prompts], answers, tokenizer.end_of_text)
    return Suite(
        problems=tuple(problems),
        subjects=tuple(subject for subject, _ in drawn),
        prompts=tuple(prompts),
        rows=rows,
        scored=scored,
        answer_bytes=np.array([len(text.encode()) for text in texts], float),
        tokenizer=tokenizer,
        max_new_tokens=max(len(answer) for answer in answers) + 2,
    )


def measure_tasks(
    backend: Backend, suite: Suite, stage: str, samples: int = 0
) -> list[list[Measure]]:
    """Return the measures of every subject and their means, for each of the K members.

    Standard errors are over problems.

    Args:
        backend: runs the members.
        suite: what they are asked.
        stage: after which it is.
        samples: answers to sample to each problem for pass@k, for those k of `PASSES` that they
            are enough for; 0 for none.
    """
    scores = _score(backend, suite)
    if samples:
        right = sampled_answers(backend.stack, suite.problems, suite.tokenizer, samples)
        scores |= {f"pass_at_{k}": pass_at_k(right, k) for k in PASSES if k <= samples}
    subjects = np.array(suite.subjects)
    return [
        _member({name: table[member] for name, table in scores.items()}, subjects, stage)
        for member in range(backend.stack.num_members)
    ]


def _score(backend: Backend, suite: Suite) -> dict[str, NDArray[np.float64]]:
    """Return what each answer of each member is worth, by name of the measure; [K, N] each."""
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
    return {
        "margin": per_byte[:, :count] - per_byte[:, count:],
        "answer_bits_per_byte": -per_byte[:, :count] / math.log(2),
        "answer_probability": np.exp(logs[:, :count]),
        "preference_accuracy": _preferred(logs[:, :count], logs[:, count:]),
        "accuracy": _verified(backend, suite),
    }


def _preferred(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where the right answer is likelier, as a whole; NaN where that cannot be said."""
    return np.where(np.isfinite(right - wrong), right > wrong, np.nan)


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


def _member(
    scores: Mapping[str, NDArray[np.float64]], subjects: NDArray[np.str_], stage: str
) -> list[Measure]:
    found = []
    for name, row in scores.items():
        groups = {str(subject): row[subjects == subject] for subject in np.unique(subjects)}
        values = {subject: float(group.mean()) for subject, group in groups.items()}
        errors = {subject: _standard_error(group) for subject, group in groups.items()}
        own = [subject for subject in groups if "@" not in subject]
        if own:
            values[MEAN] = float(np.mean([values[subject] for subject in own]))
            errors[MEAN] = math.hypot(*(errors[subject] for subject in own)) / len(own)
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
