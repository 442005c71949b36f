"""Pivotal preferences: pupils prefer the single tokens that made their own answers right.

Abdin et al. (2024), "Phi-4 Technical Report", section 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixopt.schedule.practice import Pivotal
from mixopt.tasks.problem import Problem
from mixopt.training.preferences.objective import Preference
from mixopt.training.preferences.pivotal import (
    PivotalSettings,
    Prefix,
    Search,
    TokenPair,
    find_pivots,
    pair_tokens,
)
from mixopt.training.rewards import reward
from mixopt.training.sessions.asking import Answers, Interview, interviews, settings
from mixopt.training.sessions.preference import Lesson, Pair, prefer
from mixopt.training.sessions.session import Bench, Ending, Pupil


def practise(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
    """Train pupils on pairs of pivotal tokens; see `Session`.

    Only problems that a pupil answers now rightly, now wrongly are looked into: the chance of the
    others is hardly in the band, and estimates cost most of the time.

    Figures besides those of `prefer`: how often a chance of success was estimated, and the share
    of problems whose chance was neither too small nor too large to learn from.
    """
    endings: dict[int, Ending] = {}
    for interview in interviews(bench, pupils, _shape):
        num_pairs = settings(interview.pupils[0], Pivotal).pairs
        endings |= prefer(interview, _prepare(interview), num_pairs)
    return [endings[pupil.slot] for pupil in pupils]


def _shape(pupil: Pupil) -> tuple[int, int]:
    own = settings(pupil, Pivotal)
    return own.continuations, own.pairs


def _prepare(interview: Interview) -> dict[int, Lesson]:
    """Let the pupils answer, look for what decided, and return the pairs by slot."""
    pupils = interview.pupils
    asked = {
        pupil.slot: list(
            dict.fromkeys(interview.problems(pupil, settings(pupil, Pivotal).problems))
        )
        for pupil in pupils
    }
    written = interview.answer(asked)
    tries = settings(pupils[0], Pivotal).continuations
    estimates = interview.continuations(asked, tries)
    limits = {pupil.slot: _limits(settings(pupil, Pivotal)) for pupil in pupils}
    answers = [
        prefix
        for pupil in pupils
        for prefix in _undecided(interview, pupil, asked[pupil.slot], written[pupil.slot])
    ]
    search = find_pivots(answers, estimates.success, limits)
    pairs = pair_tokens(search.pivots, estimates.alternatives, estimates.success, limits)
    return {
        pupil.slot: _lesson(interview, pupil, asked[pupil.slot], search, pairs) for pupil in pupils
    }


def _limits(own: Pivotal) -> PivotalSettings:
    return PivotalSettings(gap=own.gap, low=own.low, high=own.high)


def _undecided(
    interview: Interview, pupil: Pupil, problems: Sequence[Problem], written: Answers
) -> list[Prefix]:
    """Return the distinct answers of a pupil to problems that it answered rightly and wrongly."""
    found: list[Prefix] = []
    for number, (problem, answers) in enumerate(zip(problems, written, strict=True)):
        if len({reward(problem, answer, interview.tokenizer) for answer in answers}) > 1:
            found += [
                Prefix(member=pupil.slot, problem=number, tokens=answer)
                for answer in dict.fromkeys(map(tuple, answers))
            ]
    return found


def _lesson(
    interview: Interview,
    pupil: Pupil,
    problems: Sequence[Problem],
    search: Search,
    pairs: Sequence[TokenPair],
) -> Lesson:
    own, slot = settings(pupil, Pivotal), pupil.slot
    known = [prefix for prefix in search.known if prefix.member == slot]
    in_band = {answer.problem for answer in search.paths if answer.member == slot}
    return Lesson(
        pairs=[
            Pair(
                prompt=(*interview.prompt(problems[pair.prefix.problem]), *pair.prefix.tokens),
                chosen=(pair.accepted,),
                rejected=(pair.rejected,),
            )
            for pair in pairs
            if pair.prefix.member == slot
        ],
        settings=Preference(beta=own.beta, anchor=own.anchor),
        figures={
            "estimates": float(len(known)),
            "prompts_in_band": len(in_band) / max(1, len(problems)),
        },
    )
