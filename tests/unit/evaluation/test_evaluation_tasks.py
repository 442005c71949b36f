from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny import LEVELS, PROXY

from mixopt import seeds
from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.evaluation import tasks
from mixopt.evaluation.measure import Measure
from mixopt.evaluation.tasks import Suite, make_level_suite, make_suite, measure_tasks
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.model import Stack
from mixopt.tasks.sample import split_of

_BYTES = ByteTokenizer()


def _suite(problems: int = 8) -> Suite:
    return make_suite(LEVELS, "test", problems=problems, tokenizer=_BYTES)


def _stack(*members: int) -> Stack:
    stack = Stack.initialize(PROXY, vocabulary=264, seeds=members)
    noise = seeds.generator(0, "tasks").standard_normal(stack.num_parameters)
    stack.parameters += 0.05 * torch.from_numpy(noise)  # a fresh member attends to nothing
    return stack


def _by_key(measures: list[Measure]) -> dict[tuple[str, str], Measure]:
    return {(measure.name, measure.subject): measure for measure in measures}


def _log_probability(stack: Stack, prompt: str, answer: str) -> float:
    """Return log p(answer | prompt) of one member in nats, byte by byte, in float64."""
    total, text = 0.0, list(prompt.encode())
    for byte in answer.encode():
        logits = stack.forward(torch.tensor([[text]]))[0, 0, -1].double()
        total += torch.log_softmax(logits, dim=-1)[byte].item()
        text.append(byte)
    return total


def test_scores_of_one_problem_by_hand() -> None:
    suite = make_suite({"addition": 3}, "validation", problems=1, tokenizer=_BYTES)
    (problem,) = suite.problems
    found = _by_key(measure_tasks(make_backend(_stack(1, 2)), suite, "sft")[0])
    prompt, right = render_prompt(problem.question), render_answer(problem.response)
    wrong = render_answer(problem.wrong_response)
    logs = [_log_probability(_stack(1), prompt, text) for text in (right, wrong)]
    per_byte = [log / len(text.encode()) for log, text in zip(logs, (right, wrong), strict=True)]
    values = {
        "margin": per_byte[0] - per_byte[1],
        "answer_bits_per_byte": -per_byte[0] / math.log(2),
        "answer_probability": math.exp(logs[0]),
        "preference_accuracy": float(logs[0] > logs[1]),
    }
    for name, value in values.items():
        assert found[name, "addition"].value == pytest.approx(value, rel=1e-4), name
        assert found[name, "mean"].value == found[name, "addition"].value


def test_a_family_is_the_mean_of_its_problems_with_their_error() -> None:
    suite, stack = _suite(), _stack(4)
    found = _by_key(measure_tasks(make_backend(stack), suite, "sft")[0])
    scores: dict[str, list[float]] = {family: [] for family in LEVELS}
    for problem in suite.problems:
        text = render_answer(problem.response)
        log = _log_probability(stack, render_prompt(problem.question), text)
        scores[problem.family].append(-log / math.log(2) / len(text.encode()))
    for family, values in scores.items():
        measure = found["answer_bits_per_byte", family]
        assert len(values) == 8
        assert measure.value == pytest.approx(np.mean(values), rel=1e-4)
        error = np.std(values, ddof=1) / math.sqrt(8)
        assert measure.standard_error == pytest.approx(error, rel=1e-3)


def test_the_mean_is_over_families_and_so_is_its_error() -> None:
    found = _by_key(measure_tasks(make_backend(_stack(4)), _suite(), "sft")[0])
    parts = [found["margin", family] for family in LEVELS]
    assert found["margin", "mean"].value == pytest.approx(np.mean([p.value for p in parts]))
    error = math.hypot(*(part.standard_error for part in parts)) / 2
    assert found["margin", "mean"].standard_error == pytest.approx(error)


def test_accuracy_is_what_the_verifier_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = _suite()

    def answers(*_: object, **__: object) -> list[list[list[int]]]:
        right = [f" {problem.response}\nQ: next" for problem in suite.problems]
        wrong = [f" {problem.wrong_response}\n" for problem in suite.problems]
        mixed = [right[n] if n % 4 == 0 else wrong[n] for n in range(len(right))]
        return [[list(text.encode()) for text in member] for member in (right, mixed, wrong)]

    monkeypatch.setattr(tasks, "greedy", answers)
    members = [
        _by_key(found) for found in measure_tasks(make_backend(_stack(1, 2, 3)), suite, "sft")
    ]
    assert [found["accuracy", "mean"].value for found in members] == [1.0, 0.25, 0.0]
    assert members[1]["accuracy", "addition"].standard_error == pytest.approx(
        math.sqrt(0.25 * 0.75 / 7)
    )


def test_samples_continue_the_prompts_and_know_only_the_tokenizers_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite, seen = _suite(2), {}

    def spy(
        _stack: Stack, prompts: Sequence[Sequence[int]], **options: int
    ) -> list[list[list[int]]]:
        seen.update(options)
        assert [bytes(p).decode() for p in prompts] == [
            render_prompt(problem.question) for problem in suite.problems
        ]
        return [[[] for _ in prompts]]

    monkeypatch.setattr(tasks, "greedy", spy)
    measure_tasks(make_backend(_stack(1)), suite, "sft")
    longest = max(len(render_answer(problem.wrong_response)) for problem in suite.problems)
    assert seen["max_new_tokens"] > longest
    assert (seen["stop"], seen["vocabulary"]) == (256, 257)


def test_preference_is_for_the_likelier_answer_as_a_whole() -> None:
    """Steps make answers of several lengths: per byte another one may be ahead."""
    suite = make_suite({"arithmetic": 3}, "validation", problems=40, tokenizer=_BYTES)
    stack = _stack(4, 5)
    stack.parameters[1] *= 3  # so that members disagree
    members = [_by_key(each) for each in measure_tasks(make_backend(stack), suite, "sft")]
    for number, found in enumerate(members):
        single = Stack(PROXY, vocabulary=264, parameters=stack.parameters[number : number + 1])
        right = []
        for problem in suite.problems:
            answers = (problem.response, problem.wrong_response)
            prompt = render_prompt(problem.question)
            logs = [_log_probability(single, prompt, render_answer(text)) for text in answers]
            right.append(logs[0] > logs[1])
        assert found["preference_accuracy", "arithmetic"].value == pytest.approx(np.mean(right))
    assert len({found["preference_accuracy", "mean"].value for found in members}) == 2


def test_pass_at_k_is_there_for_the_k_that_the_samples_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite = _suite(4)
    right = np.zeros((2, 8, 5), bool)
    right[1, :2] = True  # two of four problems of the first family, always
    monkeypatch.setattr(tasks, "sampled_answers", lambda *_: right)
    found = [_by_key(m) for m in measure_tasks(make_backend(_stack(1, 2)), suite, "sft", 5)]
    names = {name for name, _ in found[0] if name.startswith("pass")}
    assert names == {"pass_at_1", "pass_at_4"}
    values = [
        found[1]["pass_at_4", subject].value for subject in ("addition", "comparison", "mean")
    ]
    assert values == pytest.approx([0.5, 0.0, 0.25])
    assert found[1]["pass_at_4", "addition"].standard_error == pytest.approx(math.sqrt(1 / 12))
    assert found[0]["pass_at_1", "mean"].value == 0


def test_levels_around_are_subjects_of_their_own_without_a_mean() -> None:
    levels = {"addition": 1, "recall": 4}
    suite = make_level_suite(levels, "validation", problems=6, tokenizer=_BYTES)
    assert suite is not None
    assert list(dict.fromkeys(suite.subjects)) == ["addition@2", "recall@3", "recall@5"]
    pairs = {
        subject: len(problem.question.split()) - 3
        for subject, problem in zip(suite.subjects, suite.problems, strict=True)
    }
    assert (pairs["recall@3"], pairs["recall@5"]) == (3, 5)
    found = _by_key(measure_tasks(make_backend(_stack(1)), suite, "sft")[0])
    assert {subject for _, subject in found} == set(suite.subjects)
    assert ("accuracy", "recall@5") in found
    assert make_level_suite({}, "test", problems=6, tokenizer=_BYTES) is None


@pytest.mark.parametrize("split", ["validation", "test"])
def test_problems_are_of_the_split(split: str) -> None:
    suite = make_suite(LEVELS, split, problems=5, tokenizer=_BYTES)  # type: ignore[arg-type]
    assert {split_of(problem) for problem in suite.problems} == {split}
    assert len({problem.identity for problem in suite.problems}) == 10


def test_a_level_with_few_problems_gives_all_it_has() -> None:
    suite = make_suite({"addition": 1}, "validation", problems=50, tokenizer=_BYTES)
    assert 0 < len(suite.problems) < 10
