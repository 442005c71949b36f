"""Difficulty by trying: shares of solved problems, and what a catalog takes them as."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tiny import PROXY

from mixopt.catalog.made_sources import TasksSource
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.evaluation import difficulty
from mixopt.evaluation.difficulty import level_difficulties, solve_rates
from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.model import Stack
from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import sample_problems, split_of

_BYTES = ByteTokenizer()


def _backend() -> Backend:
    return make_backend(Stack.initialize(PROXY, vocabulary=264, seeds=[1, 2]))


def _answers(_stack: Stack, problems: Sequence[Problem], _tokenizer: object, n: int) -> np.ndarray:
    """The first member solves short questions half of the time, the second nothing."""
    assert {split_of(problem) for problem in problems} == {"train"}
    right = np.zeros((2, len(problems), n), bool)
    right[0, [len(problem.question) < 15 for problem in problems], : n // 2] = True
    return right


def test_solve_rates_are_shares_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difficulty, "sampled_answers", _answers)
    problems = sample_problems("recall", level=1, split="train", count=3, seed=0)
    problems += sample_problems("recall", level=4, split="train", count=2, seed=0)
    rates = solve_rates(_backend(), problems, _BYTES, 8)
    lengths = np.array([len(problem.question) for problem in problems])
    assert rates.tolist() == [np.where(lengths < 15, 0.5, 0.0).tolist(), [0.0] * 5]


def test_what_members_fail_at_is_what_a_catalog_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difficulty, "sampled_answers", _answers)
    levels = {"recall": [1, 4], "copying": [1]}
    found = level_difficulties(_backend(), levels, _BYTES, problems=6, samples=4)
    assert found["recall"][4] == 1.0
    assert found["copying"][1] == 0.75
    source = TasksSource(reader="tasks", style="statement", documents=1, difficulties=found)
    assert source.difficulties == found
