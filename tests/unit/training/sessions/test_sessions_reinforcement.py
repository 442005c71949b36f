"""Reinforcement practice: rewards rise, groups alone count, and tokens can be paid one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from practice_fakes import REINFORCEMENT, TOKENIZER, bench, half_taught, pupil, untaught

from mixopt.proxy.backends.backend import Batch
from mixopt.schedule.practice import Reinforcement
from mixopt.training.sessions import reinforcement
from mixopt.training.sessions.session import Bench, Pupil

pytestmark = pytest.mark.usefixtures("one_thread")

FREE = REINFORCEMENT.model_copy(update={"divergence": 0.0})
PROCESS = FREE.model_copy(update={"process": True})


def _first_step(practice: Reinforcement, monkeypatch: pytest.MonkeyPatch) -> Batch:
    seen: list[Batch] = []
    learn = Bench.learn

    def _learn(self: Bench, batch: Batch, pupils: Sequence[Pupil]) -> None:
        seen.append(batch)
        learn(self, batch, pupils)

    monkeypatch.setattr(Bench, "learn", _learn)
    reinforcement.practise(bench([half_taught()]), [pupil(0, practice, steps=1)])
    return seen[0]


def _texts(batch: Batch) -> list[str]:
    return [
        TOKENIZER.decode(row[: row.index(TOKENIZER.end_of_text)])
        for row in batch.tokens[0].tolist()
    ]


def test_rewards_rise() -> None:
    changes = {"problems": 8, "samples": 8, "temperature": 2.0, "divergence": 0.01}
    practice = REINFORCEMENT.model_copy(update=changes)
    (ending,) = reinforcement.practise(
        bench([half_taught()]), [pupil(0, practice, steps=40, peak=20.0)]
    )
    figures = ending.figures
    assert figures["reward_last"] > 1.5 * figures["reward_first"] > 0
    assert figures["divergence"] > 0
    assert figures["clipped_share"] == 0
    assert 2 < figures["answer_tokens"] < 12


def test_groups_are_weighed_against_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = _first_step(FREE, monkeypatch).weights
    assert weights is not None
    by_answer = weights[0].sum(dim=-1).view(FREE.problems, FREE.samples)
    torch.testing.assert_close(by_answer.sum(dim=-1), torch.zeros(FREE.problems), atol=1e-6, rtol=0)
    assert (by_answer.abs().amax(dim=-1) > 0).any()
    assert {len(set(row[row != 0].tolist())) for row in weights[0]} <= {0, 1}


def test_rows_are_groups_of_answers_to_one_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = _first_step(FREE, monkeypatch)
    prompts = [text.partition("A:")[0] for text in _texts(batch)]
    groups = [prompts[at : at + FREE.samples] for at in range(0, len(prompts), FREE.samples)]
    assert [len(set(group)) for group in groups] == [1] * FREE.problems
    assert len({group[0] for group in groups}) == FREE.problems


def test_the_reference_holds_a_pupil_back() -> None:
    gone = {}
    for divergence in (0.01, 3.0):
        practice = REINFORCEMENT.model_copy(update={"divergence": divergence})
        (ending,) = reinforcement.practise(
            bench([half_taught()]), [pupil(0, practice, steps=20, peak=10.0)]
        )
        gone[divergence] = ending.figures["divergence"]
    assert gone[3.0] < gone[0.01] / 2


def test_without_a_penalty_nothing_is_watched() -> None:
    (ending,) = reinforcement.practise(bench([half_taught()]), [pupil(0, FREE)])
    assert set(ending.figures) == {"reward_first", "reward_last", "answer_tokens"}


def test_tokens_are_paid_by_what_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = _first_step(FREE, monkeypatch)
    process = _first_step(PROCESS, monkeypatch)
    assert torch.equal(outcome.tokens, process.tokens)
    assert outcome.weights is not None
    assert process.weights is not None
    mixed = (outcome.weights[0] != 0).any(dim=-1)
    paid = (process.weights[0] != 0).any(dim=-1)
    assert paid.any()
    assert not (paid & ~mixed).any()
    tokens = [(weights[0] != 0).sum() for weights in (outcome.weights, process.weights)]
    assert tokens[1] < tokens[0]


def test_a_pupil_that_never_succeeds_goes_nowhere() -> None:
    own = bench([untaught()])
    (ending,) = reinforcement.practise(own, [pupil(0, FREE)])
    assert (ending.steps, ending.diverged) == (3, False)
    assert ending.figures["reward_last"] == 0
    assert torch.isfinite(own.slots.take(0).parameters).all()
