"""Judges: who says how good an answer is, by a verifier's rules or by a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.errors import NotFoundError
from mixopt.tasks.problem import Problem
from mixopt.training.rewards import grade, require_training

_EXACT, _WELL_FORMED = 4.0, 2.0
"""Points; brevity gives at most 1, so that no rule is outweighed by those behind it."""

_ANSWERS_AT_ONCE = 16


class Judge(Protocol):
    """Scores answers to training problems."""

    def score(self, problem: Problem, answers: Sequence[str]) -> list[float]:
        """Return a score for each answer; the higher, the better.

        Args:
            problem: of the training split.
            answers: what was written after the prompt, blanks and line ends included.

        Raises:
            ValueError: the problem is none of the training split.
        """


class VerifierJudge:
    """Exactness first, then format, then brevity."""

    def score(self, problem: Problem, answers: Sequence[str]) -> list[float]:
        """See `Judge.score`."""
        require_training([problem])
        return [self._points(problem, answer) for answer in answers]

    def _points(self, problem: Problem, answer: str) -> float:
        found = grade(problem, answer)
        brevity = 1 / (1 + len(answer))
        return _EXACT * found.exact + _WELL_FORMED * found.well_formed + brevity


class RewardModelJudge:
    """A sequence classifier of the `transformers` library with one output, read from a folder."""

    def __init__(self, folder: Path) -> None:
        """Load the model and its tokenizer; nothing is fetched from elsewhere.

        Raises:
            NotFoundError: the folder holds no such model, or one with another number of outputs.
        """
        self._tokenizer, self._model = _load(folder)

    @torch.no_grad()
    def score(self, problem: Problem, answers: Sequence[str]) -> list[float]:
        """See `Judge.score`; the model reads the chat as its own template writes it, if it has one."""
        require_training([problem])
        texts = [self._write(problem.question, answer) for answer in answers]
        scores: list[float] = []
        for start in range(0, len(texts), _ANSWERS_AT_ONCE):
            part = texts[start : start + _ANSWERS_AT_ONCE]
            encoded = self._tokenizer(
                part,
                padding=True,
                add_special_tokens=self._tokenizer.chat_template is None,
                return_tensors="pt",
            )
            inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
            scores += self._model(**inputs).logits[:, 0].double().tolist()
        return scores

    def _write(self, question: str, answer: str) -> str:
        if self._tokenizer.chat_template is None:
            return render_prompt(question) + render_answer(answer.strip())
        chat = [("user", question), ("assistant", answer.strip())]
        messages = [{"role": role, "content": content} for role, content in chat]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False))


def _load(folder: Path) -> tuple[Any, Any]:
    """Return tokenizer and model, which pad with the same token."""
    from transformers import (  # noqa: PLC0415 - slow to import, and rarely needed
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    if not folder.is_dir():
        raise _no_reward_model(folder, "There is no such folder.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _no_reward_model(folder, str(error)) from None
    if model.config.num_labels != 1:
        raise _no_reward_model(folder, f"Its classifier has {model.config.num_labels} outputs.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise _no_reward_model(folder, "Its tokenizer has neither padding nor an end.")
    model.config.pad_token_id = tokenizer.pad_token_id
    return tokenizer, model.eval()


def _no_reward_model(folder: Path, why: str) -> NotFoundError:
    what = f"{folder} holds no reward model"
    remedy = "Give the folder of a sequence classifier with one output, and its tokenizer."
    return NotFoundError(what, why=why, remedy=remedy)
