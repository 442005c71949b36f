"""Judged preferences: pupils prefer the best of their own answers to the worst, as a judge has it.

Abdin et al. (2024), "Phi-4 Technical Report", section 4.2, with a judge in place of a larger model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixopt.schedule.practice import Judged
from mixopt.tasks.problem import Problem
from mixopt.training.preferences.guards import biased_lengths, degenerate_pairs
from mixopt.training.preferences.judge import Judge, RewardModelJudge, VerifierJudge
from mixopt.training.preferences.judged import judge_pairs, length_bias
from mixopt.training.preferences.objective import Preference
from mixopt.training.sessions.asking import Answers, Interview, interviews, settings
from mixopt.training.sessions.preference import Lesson, Pair, noted, prefer
from mixopt.training.sessions.session import Bench, Ending, Pupil

VERIFIER = "verifier"
"""The judge that goes by the rules of the verifier; every other name is a folder."""


def practise(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
    """Train pupils on pairs of their own answers; see `Session`.

    Figures besides those of `prefer`: the share of problems that gave no pair, how much oftener the
    chosen answer is the longer one, and whether guards found fault with either.

    Raises:
        NotFoundError: a folder holds no reward model.
    """
    endings: dict[int, Ending] = {}
    judges = {name: make_judge(name) for name in {settings(each, Judged).judge for each in pupils}}
    for interview in interviews(bench, pupils, lambda pupil: settings(pupil, Judged).pairs):
        asked = {
            pupil.slot: list(
                dict.fromkeys(interview.problems(pupil, settings(pupil, Judged).problems))
            )
            for pupil in interview.pupils
        }
        written = interview.answer(asked)
        lessons = {}
        for pupil in interview.pupils:
            own, slot = settings(pupil, Judged), pupil.slot
            judge = judges[own.judge]
            lessons[slot] = _lesson(interview, own, judge, (asked[slot], written[slot]))
        num_pairs = settings(interview.pupils[0], Judged).pairs
        endings |= prefer(interview, lessons, num_pairs)
    return [endings[pupil.slot] for pupil in pupils]


def make_judge(name: str) -> Judge:
    """Return the judge of a name: `verifier`, or the folder of a reward model.

    Raises:
        NotFoundError: the folder holds no reward model.
    """
    return VerifierJudge() if name == VERIFIER else RewardModelJudge(Path(name))


def _lesson(
    interview: Interview, own: Judged, judge: Judge, work: tuple[Sequence[Problem], Answers]
) -> Lesson:
    problems, written = work
    found = judge_pairs(
        problems,
        [[interview.text(each) for each in answers] for answers in written],
        judge,
        least_difference=own.least_difference,
        ended=[[interview.has_ended(each) for each in answers] for answers in written],
    )
    pairs = [
        Pair(
            prompt=tuple(interview.prompt(problems[pair.problem])),
            chosen=tuple(written[pair.problem][pair.chosen]),
            rejected=tuple(written[pair.problem][pair.rejected]),
        )
        for pair in found.pairs
    ]
    bias = length_bias([len(each.chosen) for each in pairs], [len(each.rejected) for each in pairs])
    share = found.degenerate_share
    return Lesson(
        pairs=pairs,
        settings=Preference(
            beta=own.beta,
            anchor=own.anchor,
            normalized=own.normalized,
            label_smoothing=own.label_smoothing,
        ),
        figures={
            **noted("degenerate_pairs", degenerate_pairs([share]), share),
            **noted("length_bias", biased_lengths([bias]), bias.value),
        },
    )
