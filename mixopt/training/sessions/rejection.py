"""Rejection sampling: pupils are fine-tuned on those of their own answers that the verifier accepts.

Yuan et al. (2023), "Scaling Relationship on Learning Mathematical Reasoning with Large Language
Models", section 3.3; the limit on answers to one problem keeps easy problems from ruling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixopt.corpus.conversations import Example
from mixopt.corpus.packing import PackedRows, pack
from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch
from mixopt.schedule.practice import Rejection
from mixopt.tasks.problem import Problem
from mixopt.training.feed import stack_rows
from mixopt.training.rewards import reward
from mixopt.training.sessions.asking import Answers, Interview, interviews, settings
from mixopt.training.sessions.passes import places
from mixopt.training.sessions.session import Bench, Ending, Pupil
from mixopt.training.stages import sft


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lesson:
    """What one pupil learns from."""

    rows: PackedRows
    figures: Mapping[str, float]


def practise(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
    """Train pupils on their accepted answers; see `Session`.

    A pupil none of whose answers is accepted rests for the stage. Figures: the share of answers
    that are accepted, the texts that are kept, and the share of problems that are solved.
    """
    endings: dict[int, Ending] = {}
    shapes = interviews(bench, pupils, lambda pupil: pupil.part.sequences)
    for interview in shapes:
        lessons = _prepare(interview)
        _train(interview, lessons)
        for pupil in interview.pupils:
            endings[pupil.slot] = bench.ending(pupil, lessons[pupil.slot].figures)
    return [endings[pupil.slot] for pupil in pupils]


def _prepare(interview: Interview) -> dict[int, _Lesson]:
    """Let the pupils answer, and return what each is to learn, by slot."""
    asked = {
        pupil.slot: list(
            dict.fromkeys(interview.problems(pupil, settings(pupil, Rejection).problems))
        )
        for pupil in interview.pupils
    }
    written = interview.answer(asked)
    return {
        pupil.slot: _lesson(
            interview,
            asked[pupil.slot],
            written[pupil.slot],
            settings(pupil, Rejection).keep,
        )
        for pupil in interview.pupils
    }


def _lesson(
    interview: Interview, problems: Sequence[Problem], written: Answers, keep: int
) -> _Lesson:
    examples: list[Example] = []
    accepted = solved = 0
    for problem, answers in zip(problems, written, strict=True):
        right = [tuple(each) for each in answers if reward(problem, each, interview.tokenizer)]
        accepted += len(right)
        solved += bool(right)
        texts = list(dict.fromkeys(right))[:keep]
        examples += [_example(interview, problem, text) for text in texts]
    return _Lesson(
        rows=pack(
            examples,
            row_length=interview.room.context + 1,
            padding=interview.tokenizer.end_of_text,
        ),
        figures={
            "accepted_share": accepted / max(1, len(problems) * interview.samples),
            "distinct": float(len(examples)),
            "problems_solved": solved / max(1, len(problems)),
        },
    )


def _example(interview: Interview, problem: Problem, answer: Sequence[int]) -> Example:
    prompt = interview.prompt(problem)
    return Example(
        tokens=np.array([*prompt, *answer], np.uint32),
        answers=np.repeat([False, True], [len(prompt), len(answer)]),
        num_bytes=len(interview.tokenizer.decode([*prompt, *answer]).encode()),
    )


def _train(interview: Interview, lessons: Mapping[int, _Lesson]) -> None:
    bench = interview.bench
    while live := bench.live(interview.pupils):
        learners = [pupil for pupil in live if len(lessons[pupil.slot].rows.tokens)]
        bench.rest([pupil for pupil in live if pupil not in learners])
        if learners:
            bench.learn(_batch(bench, learners, lessons), learners)


def _batch(bench: Bench, learners: Sequence[Pupil], lessons: Mapping[int, _Lesson]) -> Batch:
    rows: list[Rows | None] = [None] * bench.slots.width
    for pupil in learners:
        own = lessons[pupil.slot].rows
        here = places(pupil, bench.steps(pupil), pupil.part.sequences, len(own.tokens))
        rows[pupil.slot] = Rows(
            tokens=own.tokens[here].astype(np.int64),
            answers=own.answers[here],
            segments=own.segments[here],
        )
    return sft.batch(stack_rows(rows))
