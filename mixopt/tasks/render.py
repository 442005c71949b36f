"""Owns how a problem is written: as bare text, as worked text, as a conversation."""

from __future__ import annotations

from mixopt.tasks.problem import Problem, worked
from mixopt.tasks.registry import find_family


def statement(problem: Problem) -> str:
    """Return the bare fact on one line, as in `add 12 7 = 19`."""
    return f"{problem.question} = {problem.answer}"


def derivation(problem: Problem) -> str:
    """Return the fact with worked steps on one line, as in `calc 3+4-2: 3+4=7; 7-2=5; 5`.

    Families that answer directly have steps here all the same.
    """
    steps = find_family(problem.family).explain(problem.question)
    return f"{problem.question}: {worked(steps, problem.answer)}"


def conversation(problem: Problem) -> tuple[tuple[str, str], ...]:
    """Return the problem as a question of a user and the right response, (role, content) each."""
    return (("user", problem.question), ("assistant", problem.response))
