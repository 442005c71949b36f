"""Preference and policy losses against TRL's own code on the same tensors, by value and gradient."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from mixopt.training.preferences.objective import (
    Objective,
    Preference,
    Reinforcement,
    Rollout,
    dpo,
    grpo,
    sequence_scores,
)

pytest.importorskip("trl", reason="TRL is in the extra `test`")
pytest.importorskip("accelerate", reason="TRL needs it")

PAIRS, LENGTH = 4, 9


class _Accelerator:
    """The one process that there is."""

    device = torch.device("cpu")
    num_processes = 1

    def gather(self, values: Tensor) -> Tensor:
        return values

    def gather_for_metrics(self, values: Tensor) -> Tensor:
        return values

    def reduce(self, values: Tensor, reduction: str) -> Tensor:
        assert reduction == "sum"
        return values


def _trainer(**fields: object) -> Any:  # noqa: ANN401 - stands for a trainer
    """Return what the loss of a trainer reads of it."""
    return SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=_Accelerator(),
        aux_loss_enabled=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
        **fields,
    )


def _rows(seed: int, *, equal: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return token losses now and before, and where answers are; [2P, T] in float64."""
    stream = torch.Generator().manual_seed(seed)
    now = torch.rand(2 * PAIRS, LENGTH, generator=stream, dtype=torch.float64) * 3
    before = now + 0.5 * torch.randn(now.shape, generator=stream, dtype=torch.float64)
    starts = torch.randint(0, 4, (2 * PAIRS, 1), generator=stream)
    lengths = torch.randint(1, 6, (2 * PAIRS, 1), generator=stream)
    places = torch.arange(LENGTH)
    return now, before, (places >= starts) & (places < starts + (3 if equal else lengths))


def _trl_dpo(
    parts: tuple[Tensor, Tensor, Tensor], settings: Preference, kinds: dict[str, float]
) -> tuple[Tensor, Tensor]:
    """Return TRL's loss, and its gradient by token losses."""
    from trl import DPOTrainer  # noqa: PLC0415 - there or skipped

    now, before, answers = parts
    leaf = now.clone().requires_grad_()
    empty = torch.zeros_like(now)
    outputs = SimpleNamespace(
        log_probs=-leaf * answers, entropy=empty, mean_logits=empty, is_top1=answers
    )
    chosen, rejected = sequence_scores(before[None], answers[None])[0].chunk(2)
    mask = torch.cat((torch.zeros(2 * PAIRS, 1), answers), dim=1).long()
    inputs = {
        "input_ids": torch.zeros(2 * PAIRS, LENGTH + 1, dtype=torch.int64),
        "attention_mask": torch.ones(2 * PAIRS, LENGTH + 1),
        "completion_mask": mask,
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
    }
    trainer = _trainer(
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=list(kinds),
        loss_weights=list(kinds.values()),
        beta=settings.beta,
        label_smoothing=0.0,
        use_weighting=False,
    )
    loss = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, return_outputs=False)
    (slope,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), slope


def _our_dpo(parts: tuple[Tensor, Tensor, Tensor], settings: Preference) -> Objective:
    now, before, answers = (each[None] for each in parts)
    reference = sequence_scores(before, answers, normalized=settings.normalized)
    return dpo(now, reference, answers, settings)


def _agree(objective: Objective, loss: Tensor, slope: Tensor) -> None:
    torch.testing.assert_close(objective.loss[0], loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(objective.weights[0], slope, rtol=1e-12, atol=1e-12)
    assert slope.abs().amax() > 1e-3


@pytest.mark.parametrize("beta", [0.1, 2.0])
@pytest.mark.parametrize("normalized", [False, True])
def test_dpo_is_that_of_trl(beta: float, *, normalized: bool) -> None:
    parts, settings = _rows(0), Preference(beta=beta, normalized=normalized)
    kind = "sigmoid_norm" if normalized else "sigmoid"
    _agree(_our_dpo(parts, settings), *_trl_dpo(parts, settings, {kind: 1.0}))


def test_smoothed_dpo_is_a_mean_of_both_orders() -> None:
    parts, settings = _rows(1), Preference(beta=0.7, label_smoothing=0.2)
    right = _trl_dpo(parts, settings, {"sigmoid": 1.0})
    now, before, answers = (each.roll(PAIRS, dims=0) for each in parts)
    wrong = _trl_dpo((now, before, answers), settings, {"sigmoid": 1.0})
    loss = 0.8 * right[0] + 0.2 * wrong[0]
    slope = 0.8 * right[1] + 0.2 * wrong[1].roll(PAIRS, dims=0)
    _agree(_our_dpo(parts, settings), loss, slope)


def test_the_anchor_is_trls_loss_of_chosen_answers() -> None:
    parts, settings = _rows(2, equal=True), Preference(beta=0.5, anchor=0.3)
    _agree(_our_dpo(parts, settings), *_trl_dpo(parts, settings, {"sigmoid": 1.0, "sft": 0.3}))


def _trl_grpo(rollout: Rollout, now: Tensor, settings: Reinforcement) -> tuple[Tensor, Tensor]:
    """Return TRL's loss, and its gradient by token losses [B, T]."""
    from trl import GRPOTrainer  # noqa: PLC0415 - there or skipped

    leaf = now.clone().requires_grad_()
    empty = torch.zeros_like(now)
    trainer = _trainer(
        _get_per_token_logps_and_entropies=lambda *_, **__: (-leaf, empty, None),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None),
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=settings.divergence,
        epsilon_low=settings.clip,
        epsilon_high=settings.clip,
        loss_type="grpo" if settings.answer_tokens is None else "dr_grpo",
        max_completion_length=settings.answer_tokens,
        current_gradient_accumulation_steps=1,
        use_vllm=False,
        _entropy_bonus_enabled=False,
    )
    rows = len(now)
    inputs = {
        "prompt_ids": torch.zeros(rows, 1, dtype=torch.int64),
        "prompt_mask": torch.ones(rows, 1),
        "completion_ids": torch.zeros(now.shape, dtype=torch.int64),
        "completion_mask": rollout.answers[0].long(),
        "advantages": rollout.advantages[0],
        "old_per_token_logps": -rollout.sampled[0],
        "ref_per_token_logps": -rollout.reference[0],
    }
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    (slope,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), slope


@pytest.mark.parametrize("answer_tokens", [None, 7])
@pytest.mark.parametrize("divergence", [0.0, 0.2])
@pytest.mark.parametrize("per_token", [False, True])
def test_grpo_is_that_of_trl(
    answer_tokens: int | None, divergence: float, *, per_token: bool
) -> None:
    now, before, answers = _rows(3)
    stream = torch.Generator().manual_seed(4)
    size = now.shape if per_token else now.shape[:1]
    rollout = Rollout(
        answers=answers[None],
        sampled=(now + 0.3 * torch.randn(now.shape, generator=stream, dtype=torch.float64))[None],
        reference=before[None],
        advantages=torch.randn(size, generator=stream, dtype=torch.float64)[None],
    )
    settings = Reinforcement(clip=0.2, divergence=divergence, answer_tokens=answer_tokens)
    objective = grpo(now[None], rollout, settings)
    _agree(objective, *_trl_grpo(rollout, now, settings))
    assert 0 < float(objective.figures["clipped_share"]) < 1
