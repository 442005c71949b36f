"""Success estimated from continuations, by members of which one half knows an answer by heart."""

from __future__ import annotations

import pytest
import torch
from tiny import PROXY

from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.model import Stack, padded_vocabulary
from mixopt.proxy.sampling import Sampling
from mixopt.tasks.sample import Split, sample_problems
from mixopt.training.preferences.pivotal import PivotalSettings, Prefix, find_pivots
from mixopt.training.preferences.rows import lay_rows
from mixopt.training.preferences.success import Continuations, Questions

pytestmark = pytest.mark.usefixtures("one_thread")

TOKENIZER = ByteTokenizer()
END = TOKENIZER.end_of_text
SAMPLING = Sampling(samples=8, max_new_tokens=6, stop=END, vocabulary=TOKENIZER.size)
PROBLEM, OTHER = sample_problems("addition", level=2, split="train", count=2, seed=0)
ANSWER = (*TOKENIZER.encode(render_answer(PROBLEM.response)).tolist(), END)


def _continuations(stack: Stack, seeds: list[int]) -> Continuations:
    problems = [[PROBLEM, OTHER]] * stack.num_members
    return Continuations(
        stack, Questions(problems=problems, tokenizer=TOKENIZER, seeds=seeds), SAMPLING
    )


@pytest.fixture(scope="module")
def stack() -> Stack:
    """Return two members: the first has half learned an answer by heart, the second nothing."""
    size = padded_vocabulary(TOKENIZER.size)
    made = Stack.initialize(PROXY, vocabulary=size, seeds=[1, 2], dtype=torch.float64)
    prompt = TOKENIZER.encode(render_prompt(PROBLEM.question)).tolist()
    tokens, answers = lay_rows([[(prompt, ANSWER)]] * 2, num_rows=1, length=24, padding=END)
    batch = Batch(tokens=tokens, weights=answers.float())
    backend = ReferenceBackend(made)
    for _ in range(34):
        made.clear_gradients()
        backend.train(batch, [0])
        made.parameters[0] -= 0.005 * made.gradients[0].sign()
    return made


def _prefix(member: int, length: int, problem: int = 0) -> Prefix:
    return Prefix(member=member, problem=problem, tokens=ANSWER[:length])


def test_success_is_the_share_of_right_continuations(stack: Stack) -> None:
    estimator = _continuations(stack, [5, 6])
    found = estimator.success([_prefix(0, 0), _prefix(1, 0), _prefix(0, 1), _prefix(0, 0, 1)])
    assert 0.1 < found[0] < 0.9
    assert found[1] == found[3] == 0
    assert estimator.num_sampled == 4 * SAMPLING.samples
    assert all(share * SAMPLING.samples % 1 == 0 for share in found)


def test_what_has_ended_is_right_or_not_and_costs_nothing(stack: Stack) -> None:
    estimator = _continuations(stack, [5, 6])
    wrong = Prefix(member=0, problem=0, tokens=(*ANSWER[:-2], *ANSWER[-1:]))
    assert estimator.success([_prefix(1, len(ANSWER)), wrong]) == [1, 0]
    assert estimator.num_sampled == 0


def test_a_members_estimates_depend_on_its_own_calls_only(stack: Stack) -> None:
    estimator, alone = _continuations(stack, [5, 6]), _continuations(stack, [5, 6])
    estimator.success([_prefix(1, 1), _prefix(1, 2)])
    own = [_prefix(0, 0), _prefix(0, 1)]
    assert estimator.alternatives([*own, _prefix(1, 0)])[:2] == alone.alternatives(own)
    assert estimator.success(own) == alone.success(own)
    first, second = (alone.alternatives([_prefix(1, 0)]) for _ in range(2))
    assert first != second


def test_search_and_continuations_fit_together(stack: Stack) -> None:
    estimator = _continuations(stack, [5, 6])
    settings = {1: PivotalSettings(gap=0.2, low=0.0, high=1.0)}
    search = find_pivots([_prefix(1, len(ANSWER))], estimator.success, settings)
    assert search.pivots
    assert all(each.after > each.before for each in search.pivots)
    ended = 1
    assert estimator.num_sampled == (search.num_estimates - ended) * SAMPLING.samples


@pytest.mark.parametrize("split", ["validation", "test"])
def test_only_training_problems_are_continued(stack: Stack, split: Split) -> None:
    held_out = sample_problems("addition", level=5, split=split, count=1, seed=0)
    questions = Questions(problems=[[], held_out], tokenizer=TOKENIZER, seeds=[1, 2])
    with pytest.raises(ValueError, match=f"is a {split} problem"):
        Continuations(stack, questions, SAMPLING)
    assert torch.isfinite(stack.parameters).all()
