"""Judged pairs: the best against the worst of a member's answers, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.tasks.problem import Problem
from mixopt.training.preferences.judge import Judge


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerPair:
    """Two answers to one problem, of which one was judged better."""

    problem: int  # number of the problem
    chosen: int  # number of the answer among those to the problem
    rejected: int
    chosen_score: float
    rejected_score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The pairs of one member, and how many problems gave none."""

    pairs: tuple[AnswerPair, ...]
    equal_texts: int  # problems whose best and worst answers are one text
    equal_scores: int  # problems whose best and worst answers are as good

    @property
    def degenerate_share(self) -> float:
        """Share of the problems that gave no pair; 0 where there were none."""
        degenerate = self.equal_texts + self.equal_scores
        return degenerate / max(1, degenerate + len(self.pairs))


@dataclass(frozen=True, kw_only=True, slots=True)
class LengthBias:
    """How much oftener the chosen answer is the longer one than the shorter one."""

    value: float  # from -1, always shorter, to 1, always longer
    standard_error: float  # if length did not matter


def judge_pairs(
    problems: Sequence[Problem],
    answers: Sequence[Sequence[str]],
    judge: Judge,
    *,
    least_difference: float = 0.0,
    ended: Sequence[Sequence[bool]] | None = None,
) -> Judged:
    """Return the best against the worst answer to each problem; of equals, the first.

    A pair of one text (blanks aside), or of scores no further apart than the least difference,
    teaches nothing and is counted instead. An answer that was cut off counts as the worst: its text
    may look right, and yet its member did not know where to stop.

    Args:
        problems: of the training split.
        answers: texts by problem and sample, as they were written after the prompt.
        judge: scores them.
        least_difference: scores must be further apart.
        ended: which answers their members ended, by problem and sample; all by default.
    """
    pairs: list[AnswerPair] = []
    equal_texts = equal_scores = 0
    for number, (problem, texts) in enumerate(zip(problems, answers, strict=True)):
        if len({" ".join(text.split()) for text in texts}) < 2:
            equal_texts += 1
            continue
        scores = judge.score(problem, texts)
        if ended is not None:
            whole = zip(scores, ended[number], strict=True)
            scores = [score if done else -math.inf for score, done in whole]
        best, worst = int(np.argmax(scores)), int(np.argmin(scores))
        if not scores[best] - scores[worst] > least_difference:
            equal_scores += 1
        elif texts[best].split() == texts[worst].split():
            equal_texts += 1
        else:
            pair = AnswerPair(
                problem=number,
                chosen=best,
                rejected=worst,
                chosen_score=scores[best],
                rejected_score=scores[worst],
            )
            pairs.append(pair)
    return Judged(pairs=tuple(pairs), equal_texts=equal_texts, equal_scores=equal_scores)


def length_bias(chosen: Sequence[int], rejected: Sequence[int]) -> LengthBias:
    """Return the bias of pairs whose answers have these lengths; none without any pair."""
    if not chosen:
        return LengthBias(value=0.0, standard_error=0.0)
    signs = np.sign(np.subtract(chosen, rejected))
    error = float(np.sqrt(np.mean(signs**2) / len(signs)))
    return LengthBias(value=float(np.mean(signs)), standard_error=error)
