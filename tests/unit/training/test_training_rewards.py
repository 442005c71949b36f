"""The exact reward, and attempts to earn it without an answer."""

from __future__ import annotations

import pytest

from mixopt import seeds
from mixopt.corpus.conversations import render_answer
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.sample import Split, sample_problems
from mixopt.training.rewards import Grade, exact_rewards, grade, require_training, reward

SUM = Problem(family="addition", question="add 12 7", answer="19", wrong="18")
CALC = Problem(
    family="arithmetic",
    question="calc 3+4-2",
    answer="5",
    wrong="6",
    steps="3+4=7; 7-2=5",
    wrong_steps="3+4=8; 8-2=6",
)
TOKENIZER = ByteTokenizer()

GAMES = {
    "nothing": "",
    "blanks": "  \n",
    "blank": " \n",
    "cut before its end": " 19",
    "no blank before": "19\n",
    "padded": " 19   \n",
    "padded in front": "   19\n",
    "further lines": " 19\n19\n",
    "blank line": "\n 19\n",
    "repeated": " 19 19\n",
    "repeated as steps": " 19; 19\n",
    "several answers": " 18; 20; 19\n",
    "several without blanks": " 18;19\n",
    "several in a row": " 18 19 20\n",
    "several by commas": " 18, 19\n",
    "an empty step": " ; 19\n",
    "echo as a step": " add 12 7; 19\n",
    "echo as a statement": " add 12 7 = 19\n",
    "echo of the prompt": " Q: add 12 7\nA: 19\n",
    "another exchange": " 19\nQ: add 1 1\nA: 2\n",
    "other digits": " \u0661\u0669\n",
    "other blanks": " 19\u00a0\n",
    "a sentence": " the answer is 19\n",
    "a range": " 0-99; 19\n",
}


def _tokens(text: str) -> list[int]:
    return [*TOKENIZER.encode(text).tolist(), TOKENIZER.end_of_text]


@pytest.mark.parametrize("name", FAMILIES)
def test_right_responses_are_worth_one_and_wrong_ones_nothing(name: str) -> None:
    rng = seeds.generator(0, "rewards", name)
    for level in FAMILIES[name].levels:
        for problem in (FAMILIES[name].generate(rng, level) for _ in range(20)):
            right, wrong = render_answer(problem.response), render_answer(problem.wrong_response)
            assert grade(problem, right) == Grade(exact=True, well_formed=True)
            assert grade(problem, wrong) == Grade(exact=False, well_formed=True)
            assert reward(problem, _tokens(right), TOKENIZER) == 1
            assert reward(problem, _tokens(wrong), TOKENIZER) == 0


@pytest.mark.parametrize("text", GAMES.values(), ids=GAMES)
def test_games_are_worth_nothing(text: str) -> None:
    assert reward(SUM, _tokens(text), TOKENIZER) == 0
    assert not grade(SUM, text).well_formed


@pytest.mark.parametrize(
    "text",
    [
        " 3+4=7; 7-2=5; 5; 5\n",
        " 5; 6; 5\n",
        " calc 3+4-2; 5\n",
        " 3+4=7; 3+4=7; 7-2=5; 5\n",
        " 3+4=7 7-2=5; 5\n",
        " 3+4=7; 7-2=5;5\n",
        " 3+4=7; 7-2=5; 3+4=7; 7-2=5; 5\n",
        " 3+4=7; 7-2=5\n",
    ],
)
def test_steps_are_no_place_for_guesses(text: str) -> None:
    assert reward(CALC, _tokens(text), TOKENIZER) == 0


@pytest.mark.parametrize("text", [" 5\n", " 7-2=5; 5\n", " 3+4=8; 8-3=5; 5\n"])
def test_steps_may_be_left_out_and_the_answer_alone_is_verified(text: str) -> None:
    assert reward(CALC, _tokens(text), TOKENIZER) == 1


def test_an_answer_without_an_end_is_worth_nothing() -> None:
    assert reward(SUM, _tokens(" 19\n"), TOKENIZER) == 1
    assert reward(SUM, _tokens(" 19\n")[:-1], TOKENIZER) == 0
    assert reward(SUM, [*_tokens(" 19\n")[:-1], ord("A")], TOKENIZER) == 0
    assert reward(SUM, [], TOKENIZER) == 0


@pytest.mark.parametrize("split", ["validation", "test"])
def test_only_training_problems_are_rewarded(split: Split) -> None:
    train = sample_problems("sorting", level=5, split="train", count=2, seed=0)
    held_out = sample_problems("sorting", level=5, split=split, count=1, seed=0)
    answers = [[[_tokens(render_answer(p.response)), []] for p in train]]
    assert exact_rewards([train], answers, TOKENIZER).tolist() == [[[1, 0], [1, 0]]]
    with pytest.raises(ValueError, match=f"is a {split} problem"):
        exact_rewards([held_out], [[[[]]]], TOKENIZER)
    with pytest.raises(ValueError, match="nothing may learn from it"):
        require_training([*train, *held_out])
