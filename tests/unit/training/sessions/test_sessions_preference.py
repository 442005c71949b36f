"""Preference practice: pairs, the reference, what is learned from them, and what is noted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from practice_fakes import (
    JUDGED,
    PIVOTAL,
    TOKENIZER,
    bench,
    half_taught,
    pupil,
    untaught,
)

from mixopt.corpus.conversations import render_prompt
from mixopt.proxy.backends.backend import Batch
from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import split_of
from mixopt.training.preferences.judge import VerifierJudge
from mixopt.training.preferences.objective import Preference
from mixopt.training.sessions import judged, pivotal
from mixopt.training.sessions.asking import Interview, interviews
from mixopt.training.sessions.preference import Lesson, Pair, _figures, _Scores, prefer
from mixopt.training.sessions.session import Bench, Pupil

pytestmark = pytest.mark.usefixtures("one_thread")


def _interview(own: Bench, *pupils: Pupil) -> Interview:
    (found,) = interviews(own, pupils, lambda _: 0)
    return found


def _pairs(count: int) -> list[Pair]:
    prompt = tuple(TOKENIZER.encode(render_prompt("largest 2 3")).tolist())
    ends = TOKENIZER.end_of_text
    return [
        Pair(prompt=prompt, chosen=(50 + number, ends), rejected=(60 + number,))
        for number in range(count)
    ]


def _watch(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    seen: list[Batch] = []
    learn = Bench.learn

    def _learn(self: Bench, batch: Batch, pupils: Sequence[Pupil]) -> None:
        seen.append(batch)
        learn(self, batch, pupils)

    monkeypatch.setattr(Bench, "learn", _learn)
    return seen


def test_the_reference_is_where_the_stage_began(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch)
    own = bench([half_taught()])
    lesson = Lesson(pairs=_pairs(2), settings=Preference(beta=0.6))
    prefer(_interview(own, pupil(0, JUDGED)), {0: lesson}, 2)
    first, *_, last = (batch.weights for batch in seen)
    assert first is not None
    assert last is not None
    slope = 0.6 * 0.5 / 2  # beta sigmoid(0) / pairs
    assert first.sum(dim=-1).flatten().tolist() == pytest.approx([2 * slope] * 2 + [-slope] * 2)
    assert 0 < float(last.max()) < slope


def test_rows_are_prompts_with_one_side_each(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch)
    own, pairs = bench([half_taught()]), _pairs(3)
    prefer(
        _interview(own, pupil(0, JUDGED, steps=1)),
        {0: Lesson(pairs=pairs, settings=Preference())},
        3,
    )
    weights = seen[0].weights
    assert weights is not None
    for row, sign in enumerate([1, 1, 1, -1, -1, -1]):
        places = (weights[0, row] * sign > 0).nonzero().flatten()
        written = tuple(seen[0].tokens[0, row, 1:][places].tolist())
        assert written in {each.chosen if sign > 0 else each.rejected for each in pairs}
        assert int(places[0]) == len(pairs[0].prompt) - 1
    assert len(set(weights.flatten().tolist())) == 3


def test_more_pairs_than_a_step_has_are_all_scored_and_learned() -> None:
    own = bench([half_taught()])
    lesson = Lesson(pairs=_pairs(5), settings=Preference(beta=1.0), figures={"found": 1.0})
    found = prefer(_interview(own, pupil(0, JUDGED, steps=10)), {0: lesson}, 2)[0].figures
    assert (found["pairs"], found["found"]) == (5, 1)
    assert found["preference_accuracy"] == 1
    assert found["reward_margin"] > 0.5
    assert found["chosen_log_probability"] > found["chosen_log_probability_start"]
    gain = found["chosen_log_probability"] - found["chosen_log_probability_start"]
    assert found["likelihood_collapse_value"] == pytest.approx(-gain)
    assert found["likelihood_collapse"] == 0


@pytest.mark.parametrize(("lost", "found"), [(0.4, 0.0), (0.6, 1.0), (-2.0, 0.0)])
def test_a_collapse_is_noted(lost: float, found: float) -> None:
    start = _Scores(sums=torch.tensor([[-2.0, -4.0]] * 2), means=torch.tensor([[-1.0, -2.0]] * 2))
    change = torch.tensor([[lost, lost + 0.5]] * 2)
    end = _Scores(sums=start.sums - 2 * change, means=start.means - change)
    lesson = Lesson(pairs=_pairs(2), settings=Preference(beta=0.1))
    figures = _figures(lesson, start, end)
    assert figures["likelihood_collapse"] == found
    assert figures["likelihood_collapse_value"] == pytest.approx(lost)
    assert figures["reward_margin"] == pytest.approx(0.1)
    assert figures["chosen_log_probability"] == pytest.approx(-1 - lost)
    assert figures["preference_accuracy"] == 1


def test_a_pupil_without_pairs_rests() -> None:
    own = bench([half_taught(), untaught()])
    before = own.slots.take(0).parameters
    pupils = [pupil(0, JUDGED), pupil(1, JUDGED)]
    lessons = {
        0: Lesson(pairs=(), settings=Preference()),
        1: Lesson(pairs=_pairs(1), settings=Preference()),
    }
    found = prefer(_interview(own, *pupils), lessons, 2)
    assert (found[0].steps, found[1].steps) == (3, 3)
    assert dict(found[0].figures) == {"pairs": 0}
    assert torch.equal(own.slots.take(0).parameters, before)
    assert found[1].figures["preference_accuracy"] == 1


def test_judged_pairs_prefer_better_answers_to_training_problems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged_of: dict[str, Problem] = {}
    score = VerifierJudge.score

    def _score(self: VerifierJudge, problem: Problem, answers: Sequence[str]) -> list[float]:
        judged_of[render_prompt(problem.question)] = problem
        return score(self, problem, answers)

    seen = _watch(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(VerifierJudge, "score", _score)
        judged.practise(bench([half_taught()]), [pupil(0, JUDGED, steps=1)])
    assert {split_of(problem) for problem in judged_of.values()} == {"train"}
    for pair in range(JUDGED.pairs):
        prompt, chosen = _written(seen[0], pair)
        assert _written(seen[0], JUDGED.pairs + pair)[0] == prompt
        rejected = _written(seen[0], JUDGED.pairs + pair)[1]
        better, worse = VerifierJudge().score(judged_of[prompt], [chosen, rejected])
        assert better > worse


def _written(batch: Batch, row: int) -> tuple[str, str]:
    """Return prompt and answer of a row."""
    assert batch.weights is not None
    start = int(batch.weights[0, row].nonzero()[0]) + 1
    tokens = batch.tokens[0, row].tolist()
    stop = tokens.index(TOKENIZER.end_of_text)
    return TOKENIZER.decode(tokens[:start]), TOKENIZER.decode(tokens[start:stop])


def test_judged_figures_say_what_is_wrong_with_the_pairs() -> None:
    (ending,) = judged.practise(bench([half_taught()]), [pupil(0, JUDGED)])
    figures = ending.figures
    assert 0 < figures["degenerate_pairs_value"] < 1
    assert figures["degenerate_pairs"] == float(figures["degenerate_pairs_value"] > 0.5)
    assert -1 <= figures["length_bias_value"] <= 1
    assert figures["pairs"] == JUDGED.problems * (1 - figures["degenerate_pairs_value"])
    assert all(math.isfinite(value) for value in figures.values())
    demanding = JUDGED.model_copy(update={"least_difference": 100.0})
    (nothing,) = judged.practise(bench([half_taught()]), [pupil(0, demanding)])
    assert (nothing.figures["pairs"], nothing.figures["degenerate_pairs"]) == (0, 1)


def test_pivotal_pairs_are_of_one_token_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _watch(monkeypatch)
    (ending,) = pivotal.practise(bench([half_taught()]), [pupil(0, PIVOTAL)])
    figures = ending.figures
    assert figures["pairs"] > 0
    assert 0 < figures["prompts_in_band"] < 1
    assert figures["estimates"] > figures["prompts_in_band"] * PIVOTAL.problems
    weights = seen[0].weights
    assert weights is not None
    counts = (weights[0] != 0).sum(dim=-1)
    assert counts.tolist() == [1] * 2 * PIVOTAL.pairs
    first, second = weights[0].chunk(2)
    assert torch.equal(first, -second)
    chosen, rejected = seen[0].tokens[0].chunk(2)
    assert ((chosen != rejected).sum(dim=-1) == 1).all()


def test_pivotal_practice_makes_the_good_tokens_likelier() -> None:
    longer = PIVOTAL.model_copy(update={"problems": 24, "continuations": 8})
    (ending,) = pivotal.practise(bench([half_taught()]), [pupil(0, longer, steps=30, peak=10.0)])
    assert ending.figures["preference_accuracy"] > 0.5
    assert ending.figures["reward_margin"] > 0.05
    narrow = longer.model_copy(update={"low": 0.99, "high": 1.0})
    (nothing,) = pivotal.practise(bench([untaught()]), [pupil(0, narrow)])
    assert (nothing.figures["pairs"], nothing.figures["prompts_in_band"]) == (0, 0)
    assert nothing.steps == 3
