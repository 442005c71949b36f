"""Asking: which problems, how much room, and who is asked together."""

from __future__ import annotations

import pytest
from practice_fakes import (
    CONTEXT,
    JUDGED,
    LEVELS,
    PIVOTAL,
    REINFORCEMENT,
    TOKENIZER,
    bench,
    half_taught,
    pupil,
)

from mixopt.corpus.conversations import render_answer
from mixopt.errors import SupplyError
from mixopt.schedule.practice import Asking, Judged
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.sample import Split, sample_problems, split_of
from mixopt.training.sessions.asking import Interview, interviews, settings
from mixopt.training.sessions.session import Pupil

pytestmark = pytest.mark.usefixtures("one_thread")


def _interview(*pupils: Pupil, width: int = 1) -> Interview:
    (found,) = interviews(bench([half_taught()] * width), pupils, lambda _: 0)
    return found


def test_problems_come_from_families_in_turn() -> None:
    asked = pupil(0, PIVOTAL)
    interview = _interview(asked)
    problems = interview.problems(asked, 9)
    assert [each.family for each in problems] == ["comparison", "counting"] * 4 + ["comparison"]
    assert len({each.identity for each in problems}) == 9
    assert interview.problems(asked, 4) == problems[:4]
    assert interview.problems(pupil(0, PIVOTAL, seed=2), 9) != problems


def test_a_small_level_starts_again_from_its_first_problem() -> None:
    levels = {"counting": 1}
    asked = pupil(0, REINFORCEMENT.model_copy(update={"levels": levels}))
    problems = _interview(asked).problems(asked, 200)
    distinct = len(set(problems))
    assert 20 < distinct < 80
    assert problems[distinct : 2 * distinct] == problems[:distinct]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_practised_is_never_measured(family: str) -> None:
    level = FAMILIES[family].levels[0]
    practice = PIVOTAL.model_copy(update={"levels": {family: level}})
    asked = pupil(0, practice, context=400)
    practised = {each.identity for each in _interview(asked).problems(asked, 100)}
    splits: tuple[Split, ...] = ("validation", "test")
    measured = {
        each.identity
        for split in splits
        for each in sample_problems(
            family, level=level, split=split, count=50, seed=0, at_most=True
        )
    }
    assert practised
    assert measured
    assert not practised & measured


@pytest.mark.parametrize("split", ["validation", "test"])
def test_nobody_is_asked_what_is_measured(split: Split) -> None:
    held_out = sample_problems("comparison", level=2, split=split, count=1, seed=0)
    interview = _interview(pupil(0, PIVOTAL))
    with pytest.raises(ValueError, match=f"is a {split} problem"):
        interview.answer({0: held_out})
    with pytest.raises(ValueError, match=f"is a {split} problem"):
        interview.continuations({0: held_out}, 4)


def test_a_row_has_room_for_every_problem_and_right_answer() -> None:
    asked = pupil(0, PIVOTAL)
    interview = _interview(asked)
    room = interview.room
    for problem in interview.problems(asked, 80):
        assert split_of(problem) == "train"
        assert len(interview.prompt(problem)) <= room.prompt_tokens
        assert len(TOKENIZER.encode(render_answer(problem.response))) < room.answer_tokens
    assert (room.row_tokens - 1) % 16 == 0
    assert room.prompt_tokens + room.answer_tokens <= room.row_tokens <= CONTEXT + 1


def test_a_context_without_room_is_an_error() -> None:
    short = pupil(0, PIVOTAL, context=16)
    with pytest.raises(SupplyError, match="no problem of 'comparison'"):
        _interview(short).problems(short, 4)


def test_those_are_asked_together_who_need_as_much_room_and_answer_as_often() -> None:
    more = JUDGED.model_copy(update={"samples": 7})
    wider = JUDGED.model_copy(update={"levels": {"sorting": 6}})
    hotter = JUDGED.model_copy(update={"temperature": 2.0, "beta": 3.0})
    practices = [JUDGED, more, hotter, wider, JUDGED]
    pupils = [pupil(slot, each, seed=slot) for slot, each in enumerate(practices)]
    groups = interviews(bench([half_taught()] * 5), pupils, lambda each: each.seed == 4)
    assert [[each.slot for each in group.pupils] for group in groups] == [[0, 2], [1], [3], [4]]
    assert groups[0].sampling(3).temperature == (1.0, 1.0, 2.0, 1.0, 1.0)


def test_an_answer_is_ended_or_cut_off() -> None:
    interview = _interview(pupil(0, PIVOTAL))
    text = TOKENIZER.encode(" 4\n").tolist()
    ended = [*text, TOKENIZER.end_of_text]
    assert interview.has_ended(ended)
    assert not interview.has_ended(text)
    assert not interview.has_ended([])
    assert interview.text(ended) == interview.text(text) == " 4\n"


def test_every_step_has_other_answers_of_the_same_pupil() -> None:
    asked = pupil(0, REINFORCEMENT)
    interview = _interview(asked)
    problems = {0: interview.problems(asked, 4)}
    first = interview.answer(problems)
    assert interview.answer(problems) == first
    interview.bench.rest([asked])
    assert interview.answer(problems) != first


def test_settings_are_those_of_the_stage() -> None:
    asked = pupil(0, PIVOTAL)
    assert settings(asked, Asking) is PIVOTAL
    assert settings(asked, Asking).levels == LEVELS
    with pytest.raises(TypeError, match="does not practise by Judged"):
        settings(asked, Judged)
