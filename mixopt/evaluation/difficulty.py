"""Difficulty by trying: how often proxies solve problems, and what levels are worth by that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mixopt.corpus.tokenizer import Tokenizer
from mixopt.evaluation.sampled import sampled_answers
from mixopt.proxy.backends.backend import Backend
from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import sample_problems

_SEED = 0


def solve_rates(
    backend: Backend, problems: Sequence[Problem], tokenizer: Tokenizer, samples: int
) -> NDArray[np.float64]:
    """Return the share of answers sampled at temperature 1 that the verifier accepts; [K, N].

    Args:
        backend: runs K members.
        problems: N.
        tokenizer: of the members.
        samples: answers to each problem, at least 1.
    """
    return np.asarray(sampled_answers(backend.stack, problems, tokenizer, samples).mean(axis=-1))


def level_difficulties(
    backend: Backend,
    levels: Mapping[str, Sequence[int]],
    tokenizer: Tokenizer,
    *,
    problems: int,
    samples: int,
) -> dict[str, dict[int, float]]:
    """Return how often members fail training problems of levels, from 0 to 1.

    It is what the key `difficulties` of a catalog's source of tasks takes: levels of different
    families can be compared by it, and by their numbers they cannot.

    Args:
        backend: runs members that have been taught to answer; the mean over them counts.
        levels: by family.
        tokenizer: of the members.
        problems: per level; all there are where it has fewer.
        samples: answers to each problem.

    Raises:
        NotFoundError: a family or level does not exist.
    """
    return {
        family: {
            level: _failures(
                backend, _training_problems(family, level, problems), tokenizer, samples
            )
            for level in chosen
        }
        for family, chosen in levels.items()
    }


def _failures(
    backend: Backend, problems: Sequence[Problem], tokenizer: Tokenizer, samples: int
) -> float:
    return 1 - float(solve_rates(backend, problems, tokenizer, samples).mean())


def _training_problems(family: str, level: int, count: int) -> list[Problem]:
    return sample_problems(
        family, level=level, split="train", count=count, seed=_SEED, at_most=True
    )
