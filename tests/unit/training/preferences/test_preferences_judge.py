"""Judges: the order of the verifier's rules, reward models from a folder, and the splits."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

from mixopt.errors import NotFoundError
from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import Split, sample_problems
from mixopt.training.preferences.judge import Judge, RewardModelJudge, VerifierJudge

TEMPLATE = "{% for m in messages %}{{ m['role'][0] }} {{ m['content'] }} {% endfor %}"


def _problem(split: Split = "train") -> Problem:
    return sample_problems("sorting", level=4, split=split, count=1, seed=0)[0]


def _reward_model(folder: Path, *, labels: int = 1, template: str | None = None) -> Path:
    words = {"[END]": 0, "[UNK]": 1, **{letter: 2 + n for n, letter in enumerate("abcdefghijkl")}}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # as transformers has it
        tokenizer_object=backend, unk_token="[UNK]", eos_token="[END]", chat_template=template
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    config.num_labels = labels
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call] # as above
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_exactness_beats_format_beats_brevity() -> None:
    problem = _problem()
    answers = [
        f" {problem.answer}\n",
        f" {problem.answer}   \n",
        f" {problem.wrong}\n",
        " z\n",
        f" {problem.wrong} {problem.wrong}\n",
        "",
    ]
    scores = VerifierJudge().score(problem, answers)
    assert scores[0] > scores[1] > max(scores[2:4])
    assert scores[3] > scores[2] > max(scores[4:])
    long_but_exact = [problem.answer + " " * 5000, "", " z\n"]
    assert VerifierJudge().score(problem, long_but_exact)[0] > scores[3]


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_a_reward_model_scores_answers_alike_in_any_company(
    tmp_path: Path, template: str | None
) -> None:
    judge = RewardModelJudge(_reward_model(tmp_path, template=template))
    answers = [" a\n", " abcdefghij\n", " kl\n", "b"] * 5
    scores = judge.score(_problem(), answers)
    alone = [judge.score(_problem(), [answer])[0] for answer in answers]
    assert scores == pytest.approx(alone, abs=1e-5)
    assert len(set(alone[:4])) == 4
    assert judge.score(_problem(), []) == []


def test_no_judge_sees_a_problem_that_is_measured_on(tmp_path: Path) -> None:
    judges: list[Judge] = [VerifierJudge(), RewardModelJudge(_reward_model(tmp_path))]
    splits: tuple[Split, ...] = ("validation", "test")
    for judge in judges:
        for split in splits:
            with pytest.raises(ValueError, match=f"is a {split} problem"):
                judge.score(_problem(split), [" a\n"])


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        RewardModelJudge(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no reward model"):
        RewardModelJudge(tmp_path / "empty")
    with pytest.raises(NotFoundError, match="classifier has 3 outputs"):
        RewardModelJudge(_reward_model(tmp_path / "three", labels=3))
