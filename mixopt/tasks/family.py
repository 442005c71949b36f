"""Owns `Family`: what every task family can do, and how free text is marked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixopt.tasks.problem import STEP_SEPARATOR, Problem, normalize


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A kind of problem with a generator, a solver, a verifier and a difficulty.

    Attributes:
        name: the name in recipes and measures.
        levels: the difficulties there are, easiest first.
        generate: poses a random problem of a level.
        solve: answers a question by reading it, independently of the generator; a question of
            another form is a ValueError.
        explain: returns the worked steps that lead from a question to its answer.
        num_problems: returns how many distinct problems (identities) a level has, over all splits.
        case_matters: whether an answer in the wrong letter case is wrong.
    """

    name: str
    levels: range
    generate: Callable[[np.random.Generator, int], Problem]
    solve: Callable[[str], str]
    explain: Callable[[str], str]
    num_problems: Callable[[int], int]
    case_matters: bool = False

    def verify(self, problem: Problem, text: str) -> bool:
        """Return whether free text ends its first line with the right answer.

        Spaces around and doubled, blank lines before and anything on later lines are no failures;
        of steps and an answer only the answer counts. No text raises.
        """
        given = final_answer(text)
        if self.case_matters:
            return given == problem.answer
        return given.lower() == problem.answer.lower()


def final_answer(text: str) -> str:
    """Return what stands after the steps on the first line that is not blank, single-spaced."""
    line = text.strip().split("\n", 1)[0]
    return " ".join(line.rpartition(STEP_SEPARATOR.strip())[2].split())


def read_question(form: re.Pattern[str], question: str) -> re.Match[str]:
    """Match a question, whatever its spacing and case, or raise ValueError with the form."""
    found = form.fullmatch(normalize(question))
    if found is None:
        message = f"{question!r} is no question of the form {form.pattern!r}"
        raise ValueError(message)
    return found
