"""Preference and reinforcement objectives, as weights of token losses with the same gradient.

A token loss is -log p of a target, so the weight of a target is minus the derivative of the
objective by that log-probability. Weights are found from token losses without gradients and then
trained on as those of any other stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_DEVIATION = 1e-4
"""Added to the standard deviation of a group's rewards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What K members minimize at their present parameters."""

    loss: Tensor  # [K]
    weights: Tensor
    """[K, B, T]: the sum of these times the token losses has the gradient of the loss."""
    figures: Mapping[str, Tensor]  # what to log, by name, [K] each


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """How pairs are learned from."""

    beta: float = 0.1  # of the reward that a log-probability ratio stands for
    label_smoothing: float = 0.0  # probability that a pair is the wrong way round
    normalized: bool = False  # mean log-probability per token in place of the sum
    anchor: float = 0.0  # weight of the chosen answers' own loss, in nats per token


@dataclass(frozen=True, kw_only=True, slots=True)
class Reinforcement:
    """How rewarded samples are learned from."""

    clip: float = 0.2  # largest relative change of a token's probability that pays
    divergence: float = 0.04  # weight of the KL divergence to the reference
    answer_tokens: int | None = None
    """What a sum over an answer's tokens is divided by; None for its own number of tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """Sampled answers with what stays as it was when they were sampled."""

    answers: Tensor  # bool [K, B, T], the targets that a member wrote
    sampled: Tensor  # token losses [K, B, T] of the parameters that they were sampled from
    reference: Tensor  # token losses [K, B, T] of the reference
    advantages: Tensor  # [K, B], or [K, B, T] where tokens differ


def sequence_scores(losses: Tensor, answers: Tensor, *, normalized: bool = False) -> Tensor:
    """Return the log-probability of every answer in nats, [K, B], or its mean over tokens.

    Args:
        losses: token losses [K, B, T].
        answers: bool [K, B, T], the targets that belong to the answer.
        normalized: divide by the number of tokens; an answer without any has 0.
    """
    sums = -torch.where(answers, losses, 0).sum(dim=-1)
    return sums / _counts(answers).to(losses) if normalized else sums


def dpo(losses: Tensor, reference: Tensor, answers: Tensor, settings: Preference) -> Objective:
    """Return the loss of preferring chosen to rejected answers.

    Rafailov et al. (2023), "Direct Preference Optimization", equation 7:
    -log sigmoid(beta * (log p/p_ref of the chosen - log p/p_ref of the rejected)), mean over pairs.
    With label smoothing e it counts 1 - e, and the swapped pair e (Mitchell, 2023, "A note on DPO
    with noisy preferences and relationship to IPO"). The anchor adds -log p per token of the chosen
    answer, which keeps it likely (after Pang et al., 2024, "Iterative Reasoning Preference
    Optimization", equation 1).

    Args:
        losses: token losses [K, 2P, T]: the chosen answers of P pairs, then the rejected ones.
        reference: `sequence_scores` of the reference [K, 2P], normalized as the settings say.
        answers: bool [K, 2P, T]; a pair with an empty side counts for nothing.
        settings: see `Preference`.
    """
    counts, smoothing = _counts(answers).to(losses), settings.label_smoothing
    scores = sequence_scores(losses, answers, normalized=settings.normalized)
    chosen, rejected = (scores - reference).chunk(2, dim=1)
    sides = answers.any(dim=-1).chunk(2, dim=1)
    shares = _shares(sides[0] & sides[1], losses)
    margins = settings.beta * (chosen - rejected)
    right, wrong = functional.logsigmoid(margins), functional.logsigmoid(-margins)
    slopes = smoothing * right.exp() - (1 - smoothing) * wrong.exp()
    slopes = slopes * settings.beta * shares
    by_score = torch.cat((slopes, -slopes), dim=1)
    per_token = sequence_scores(losses, answers, normalized=True).chunk(2, dim=1)[0]
    weights = -by_score / counts if settings.normalized else -by_score
    weights[:, : shares.shape[1]] += settings.anchor * shares / counts.chunk(2, dim=1)[0]
    each = -(1 - smoothing) * right - smoothing * wrong - settings.anchor * per_token
    return Objective(
        loss=_mean(each, shares),
        weights=weights.unsqueeze(-1) * answers,
        figures={
            "reward_margin": _mean(margins, shares),
            "preference_accuracy": _mean((margins > 0).to(losses), shares),
            "chosen_log_probability": _mean(per_token, shares),
        },
    )


def grpo(losses: Tensor, rollout: Rollout, settings: Reinforcement) -> Objective:
    """Return the loss of a clipped policy gradient with a penalty for leaving the reference.

    Shao et al. (2024), "DeepSeekMath", equation 3, with the estimator of its equation 4 for the
    divergence. A constant `answer_tokens` in place of each answer's own length takes out the
    preference for long wrong answers (Liu et al., 2025, "Understanding R1-Zero-Like Training").

    Args:
        losses: token losses [K, B, T] of the present parameters.
        rollout: answers, in rows of any order; a row without any counts for nothing.
        settings: see `Reinforcement`.
    """
    answers, advantages = rollout.answers, rollout.advantages.to(losses)
    if advantages.ndim == 2:
        advantages = advantages.unsqueeze(-1)
    ratios = torch.where(answers, rollout.sampled - losses, 0).exp()
    clipped = ratios.clamp(1 - settings.clip, 1 + settings.clip)
    gains = torch.minimum(ratios * advantages, clipped * advantages)
    moving = ratios * advantages <= clipped * advantages
    distances = torch.where(answers, losses - rollout.reference, 0)
    divergences = distances.expm1() - distances
    slopes = torch.where(moving, ratios * advantages, 0) + settings.divergence * distances.expm1()
    counts = _counts(answers) if settings.answer_tokens is None else settings.answer_tokens
    rows = _shares(answers.any(dim=-1), losses) / counts
    spread = rows.unsqueeze(-1) * answers
    tokens = _shares(answers.flatten(1), losses).view_as(losses)
    return Objective(
        loss=((settings.divergence * divergences - gains) * spread).sum(dim=(1, 2)),
        weights=slopes * spread,
        figures={
            "divergence": (divergences * tokens).sum(dim=(1, 2)),
            "clipped_share": (~moving * tokens).sum(dim=(1, 2)),
        },
    )


def group_advantages(rewards: Tensor, *, scaled: bool = True) -> Tensor:
    """Return by how much each answer beats the mean of its group, [K, P, n].

    Shao et al. (2024), section 4.1.2: in standard deviations of the group. Unscaled (Liu et al.,
    2025) the easiest and the hardest prompts count no more than others. A group whose rewards are
    all equal has advantages of zero.

    Args:
        rewards: of n answers to each of P prompts, [K, P, n].
        scaled: divide by the standard deviation of the group.
    """
    centred = rewards - rewards.mean(dim=-1, keepdim=True)
    if scaled and rewards.shape[-1] > 1:
        centred = centred / (rewards.std(dim=-1, keepdim=True) + _LEAST_DEVIATION)
    equal = rewards.amax(dim=-1, keepdim=True) == rewards.amin(dim=-1, keepdim=True)
    return torch.where(equal, 0, centred)


def _counts(answers: Tensor) -> Tensor:
    """Return the tokens of every answer [K, B], at least 1."""
    return answers.sum(dim=-1).clamp_min(1)


def _shares(present: Tensor, like: Tensor) -> Tensor:
    """Return what each of the present [K, N] counts in its member's mean; 0 where there is none."""
    return present.to(like) / present.sum(dim=1, keepdim=True).clamp_min(1)


def _mean(values: Tensor, shares: Tensor) -> Tensor:
    """Return the means [K] of values [K, N] by their shares."""
    return (values * shares).sum(dim=1)
