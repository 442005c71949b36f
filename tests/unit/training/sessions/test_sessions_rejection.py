"""Rejection sampling: only accepted answers are learned, few to a problem, in passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from practice_fakes import REJECTION, TOKENIZER, bench, half_taught, pupil, untaught

from mixopt.corpus.conversations import encode_conversations
from mixopt.proxy.backends.backend import Batch
from mixopt.schedule.practice import Rejection
from mixopt.tasks.problem import Problem
from mixopt.tasks.render import conversation
from mixopt.training.sessions import rejection
from mixopt.training.sessions.asking import interviews
from mixopt.training.sessions.passes import places
from mixopt.training.sessions.session import Bench, Pupil

pytestmark = pytest.mark.usefixtures("one_thread")


def _batches(practice: Rejection, monkeypatch: pytest.MonkeyPatch, steps: int) -> list[Batch]:
    """Return what a pupil learns from in its steps."""
    seen: list[Batch] = []
    learn = Bench.learn

    def _watch(self: Bench, batch: Batch, pupils: Sequence[Pupil]) -> None:
        seen.append(batch)
        learn(self, batch, pupils)

    monkeypatch.setattr(Bench, "learn", _watch)
    rejection.practise(bench([half_taught()]), [pupil(0, practice, steps=steps)])
    return seen


def _examples(batches: list[Batch]) -> Counter[tuple[int, ...]]:
    """Return the examples that were learned, each with how often."""
    found: Counter[tuple[int, ...]] = Counter()
    for batch in batches:
        assert batch.segments is not None
        for tokens, segments in zip(batch.tokens[0], batch.segments[0], strict=True):
            for number in range(1, int(segments.max()) + 1):
                found[tuple(tokens[segments == number].tolist())] += 1
    return found


def _problems() -> list[Problem]:
    asked = pupil(0, REJECTION)
    (interview,) = interviews(bench([half_taught()]), [asked], lambda _: 0)
    return interview.problems(asked, REJECTION.problems)


def test_only_right_answers_to_own_problems_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = _examples(_batches(REJECTION, monkeypatch, steps=6))
    right = encode_conversations([conversation(each) for each in _problems()], TOKENIZER)
    allowed = {tuple(each.tokens.tolist()) for each in right if each}
    assert len(learned) > 2
    assert set(learned) < allowed
    assert max(learned.values()) <= min(learned.values()) + 1


def test_weights_stand_on_answers_and_count_as_one_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    (batch,) = _batches(REJECTION, monkeypatch, steps=1)
    assert batch.weights is not None
    assert batch.weights.sum().item() == pytest.approx(1)
    targets = batch.tokens[0, :, 1:][batch.weights[0] > 0].tolist()
    text = TOKENIZER.decode([token for token in targets if token != TOKENIZER.end_of_text])
    assert all(line.startswith(" ") and "Q" not in line for line in text.splitlines())


def test_figures_tell_what_was_accepted() -> None:
    (ending,) = rejection.practise(bench([half_taught()]), [pupil(0, REJECTION)])
    figures = ending.figures
    assert set(figures) == {"accepted_share", "distinct", "problems_solved"}
    assert 0 < figures["accepted_share"] <= figures["problems_solved"] < 1
    assert figures["distinct"] == figures["problems_solved"] * REJECTION.problems


def test_equal_texts_count_once_and_others_up_to_the_limit() -> None:
    asked = pupil(0, REJECTION)
    (interview,) = interviews(bench([half_taught()]), [asked], lambda _: 0)
    problem = Problem(family="addition", question="add 1 2", answer="3", wrong="4", steps="1+2=3")
    texts = [" 3\n", " 3\n", " 1+2=3; 3\n", " 1+2=4; 3\n", " 4\n"]
    answers = [[*TOKENIZER.encode(text).tolist(), TOKENIZER.end_of_text] for text in texts]
    for keep, kept in ((1, 1), (2, 2), (9, 3)):
        lesson = rejection._lesson(interview, [problem], [answers], keep)
        assert lesson.figures["distinct"] == kept
        assert lesson.figures["accepted_share"] == 4 / 4
        assert int(lesson.rows.segments.max(axis=1).sum()) == kept


def test_a_pupil_without_right_answers_rests() -> None:
    own = bench([untaught(), half_taught()])
    before = own.slots.take(0).parameters
    done: list[int] = []
    own.progress = done.append
    pupils = [pupil(0, REJECTION), pupil(1, REJECTION)]
    resting, learning = rejection.practise(own, pupils)
    assert (resting.steps, resting.diverged, resting.figures["distinct"]) == (3, False, 0)
    assert torch.equal(own.slots.take(0).parameters, before)
    assert learning.steps == 3
    assert sorted(done) == [0, 0, 0, 1, 1, 1]


def test_a_pass_has_every_item_once_in_an_order_of_its_own() -> None:
    mine, other = pupil(0, REJECTION), pupil(0, REJECTION, seed=2)
    order = np.concatenate([places(mine, step, 4, 10) for step in range(5)]).tolist()
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert order[:4] != places(other, 0, 4, 10).tolist()
    assert places(mine, 0, 6, 2).tolist().count(0) == 3
