"""Owns `Problem`: one question with its right answer and a plausible wrong one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

STEP_SEPARATOR = "; "
"""Stands between worked steps and before the final answer: `3+4=7; 7-2=5; 5`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One question of a family; all texts are one line each.

    Attributes:
        family: name of the task family.
        question: what is asked.
        answer: the right final answer, in its one canonical spelling.
        wrong: a wrong final answer of the same form, such as a learner gives.
        steps: worked steps before the answer; empty where the family answers directly.
        wrong_steps: the steps with one slip, which leads to `wrong`.
        canonical: the question in the spelling that all questions asking the same thing share;
            empty where the question itself is that spelling.
    """

    family: str
    question: str
    answer: str
    wrong: str
    steps: str = ""
    wrong_steps: str = ""
    canonical: str = ""

    @property
    def identity(self) -> str:
        """Return 32 hex digits that equivalent questions share; splits go by it."""
        text = f"{self.family}\x1f{normalize(self.canonical or self.question)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def response(self) -> str:
        """Return what a right assistant writes: the steps, if any, and the answer."""
        return worked(self.steps, self.answer)

    @property
    def wrong_response(self) -> str:
        """Return what an assistant writes that slips once."""
        return worked(self.wrong_steps, self.wrong)


def worked(steps: str, answer: str) -> str:
    """Return the steps followed by the answer, or the answer alone without steps."""
    return STEP_SEPARATOR.join(part for part in (steps, answer) if part)


def normalize(text: str) -> str:
    """Return the text in lower case with single spaces and none at the ends."""
    return " ".join(text.lower().split())
