"""Objectives against their papers written out in float64, and their weights against autograd."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from preference_fakes import VOCABULARY, gradient, losses_of, make, rows, shaken
from torch import Tensor

from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.model import Stack
from mixopt.proxy.sampling import Sampling, sample
from mixopt.training.preferences.objective import (
    Objective,
    Preference,
    Reinforcement,
    Rollout,
    dpo,
    group_advantages,
    grpo,
    sequence_scores,
)
from mixopt.training.preferences.rows import lay_rows

PAIRS = 3
PREFERENCES = [
    Preference(),
    Preference(beta=0.7, label_smoothing=0.2),
    Preference(beta=2.0, normalized=True, anchor=0.3),
]
REINFORCEMENTS = [
    Reinforcement(divergence=0.0),
    Reinforcement(clip=0.05, divergence=0.5),
    Reinforcement(clip=0.05, divergence=0.1, answer_tokens=8),
]


def _log_sigmoid(value: Tensor) -> Tensor:
    return -torch.log(1 + torch.exp(-value))


def _score(losses: Tensor, answer: Tensor, *, normalized: bool) -> Tensor:
    chosen = -losses[answer]
    return chosen.mean() if normalized else chosen.sum()


def _dpo_by_hand(now: Tensor, before: Tensor, answers: Tensor, settings: Preference) -> Tensor:
    """Sum over members of the mean over pairs, pair by pair as the paper has it."""
    total = now.new_zeros(())
    for member, pair in product(range(len(now)), range(PAIRS)):
        ratios = []
        for row in (pair, PAIRS + pair):
            place = (member, row)
            ours, theirs = (
                _score(part[place], answers[place], normalized=settings.normalized)
                for part in (now, before)
            )
            ratios.append(ours - theirs)
        margin = settings.beta * (ratios[0] - ratios[1])
        loss = -(1 - settings.label_smoothing) * _log_sigmoid(margin)
        loss = loss - settings.label_smoothing * _log_sigmoid(-margin)
        place = (member, pair)
        loss = loss - settings.anchor * _score(now[place], answers[place], normalized=True)
        total = total + loss / PAIRS
    return total


def _check_gradient(objective: Objective, expected: Tensor, tokens: Tensor) -> None:
    """Hold the gradient of weighted token losses, as backends take it, to that of the loss."""
    stack = make(1, 2)
    ReferenceBackend(stack).train(Batch(tokens=tokens, weights=objective.weights), [0, 1])
    torch.testing.assert_close(stack.gradients, expected, rtol=1e-10, atol=1e-12)
    assert expected.abs().amax() > 1e-3


@pytest.mark.parametrize("settings", PREFERENCES)
def test_dpo_is_equation_7_and_its_weights_have_its_gradient(settings: Preference) -> None:
    stack, (tokens, answers) = make(1, 2), rows(2, 2 * PAIRS)
    before = losses_of(shaken(stack), tokens).detach()
    now = losses_of(stack, tokens)
    expected = _dpo_by_hand(now, before, answers, settings)
    reference = sequence_scores(before, answers, normalized=settings.normalized)
    objective = dpo(now.detach(), reference, answers, settings)
    torch.testing.assert_close(objective.loss.sum(), expected.detach(), rtol=1e-12, atol=0)
    _check_gradient(objective, gradient(stack, expected), tokens)


def test_at_the_reference_dpo_is_log_two_and_pushes_every_pair_alike() -> None:
    tokens, answers = rows(2, 2 * PAIRS)
    losses = losses_of(make(1, 2), tokens).detach()
    objective = dpo(losses, sequence_scores(losses, answers), answers, Preference(beta=0.5))
    torch.testing.assert_close(objective.loss, torch.full((2,), math.log(2)).double())
    assert objective.figures["reward_margin"].tolist() == [0, 0]
    expected = 0.25 / PAIRS * torch.tensor([1.0] * PAIRS + [-1.0] * PAIRS).double()
    torch.testing.assert_close(objective.weights, expected[:, None] * answers)


def test_a_pair_with_an_empty_side_counts_for_nothing() -> None:
    tokens, answers = rows(1, 2 * PAIRS)
    losses = losses_of(make(1), tokens).detach()
    answers[0, PAIRS + 1] = False
    kept = [0, 2, PAIRS, PAIRS + 2]
    reference = sequence_scores(losses, answers) + torch.arange(6).double()
    objective = dpo(losses, reference, answers, Preference(anchor=0.1))
    alone = dpo(losses[:, kept], reference[:, kept], answers[:, kept], Preference(anchor=0.1))
    torch.testing.assert_close(objective.loss, alone.loss)
    torch.testing.assert_close(objective.weights[:, kept], alone.weights)
    assert not objective.weights[0, [1, PAIRS + 1]].any()
    nothing = dpo(losses, reference, torch.zeros_like(answers), Preference(anchor=0.1))
    assert not nothing.loss.any()
    assert not nothing.weights.any()


def test_a_pair_that_is_won_or_lost_by_far_has_finite_weights() -> None:
    _, answers = rows(1, 2)
    losses = torch.zeros(1, 2, 10)
    won = dpo(losses, torch.tensor([[-1e4, 1e4]]), answers, Preference(beta=1.0))
    lost = dpo(losses, torch.tensor([[1e4, -1e4]]), answers, Preference(beta=1.0))
    assert not won.weights.any()
    assert won.figures["preference_accuracy"].item() == 1
    assert lost.figures["preference_accuracy"].item() == 0
    assert lost.weights.abs().amax().item() == 1
    assert lost.loss.item() == 2e4


def _grpo_by_hand(now: Tensor, rollout: Rollout, settings: Reinforcement) -> Tensor:
    """Minus equation 3, member by member, answer by answer and token by token."""
    total = now.new_zeros(())
    members, num_rows, _ = now.shape
    for member, row in product(range(members), range(num_rows)):
        places = rollout.answers[member, row].nonzero().flatten().tolist()
        for place in places:
            at = (member, row, place)
            ratio = torch.exp(-now[at] + rollout.sampled[at])
            advantage = rollout.advantages[at if rollout.advantages.ndim == 3 else at[:2]]
            limited = torch.clamp(ratio, 1 - settings.clip, 1 + settings.clip)
            gain = torch.min(ratio * advantage, limited * advantage)
            log_ratio = -rollout.reference[at] + now[at]
            gain = gain - settings.divergence * (torch.exp(log_ratio) - log_ratio - 1)
            total = total - gain / (settings.answer_tokens or len(places)) / num_rows
    return total


@pytest.mark.parametrize("settings", REINFORCEMENTS)
@pytest.mark.parametrize("per_token", [False, True])
def test_grpo_is_equation_3_and_its_weights_have_its_gradient(
    settings: Reinforcement, *, per_token: bool
) -> None:
    stack, (tokens, answers) = make(1, 2), rows(2, 6)
    now = losses_of(stack, tokens)
    shape = now.shape if per_token else now.shape[:2]
    rollout = Rollout(
        answers=answers,
        sampled=losses_of(shaken(stack, 0.02), tokens).detach(),
        reference=losses_of(shaken(stack, 0.1), tokens).detach(),
        advantages=torch.randn(shape, generator=torch.Generator().manual_seed(1)).double(),
    )
    expected = _grpo_by_hand(now, rollout, settings)
    objective = grpo(now.detach(), rollout, settings)
    torch.testing.assert_close(objective.loss.sum(), expected.detach(), rtol=1e-10, atol=0)
    if settings.clip < 0.1:
        assert (objective.figures["clipped_share"] > 0).all()
    _check_gradient(objective, gradient(stack, expected), tokens)


def test_grpo_ignores_rows_without_answers() -> None:
    tokens, answers = rows(1, 4)
    losses = losses_of(make(1), tokens).detach()
    answers[0, 3] = False
    advantages = torch.tensor([[1.0, -1.0, 0.5, 7.0]]).double()
    rollout = Rollout(
        answers=answers, sampled=losses, reference=losses + 0.1, advantages=advantages
    )
    objective = grpo(losses, rollout, Reinforcement())
    assert not objective.weights[0, 3].any()
    fewer = {name: getattr(rollout, name)[:, :3] for name in Rollout.__dataclass_fields__}
    torch.testing.assert_close(
        objective.loss, grpo(losses[:, :3], Rollout(**fewer), Reinforcement()).loss
    )


def test_group_advantages_are_standard_scores_within_groups() -> None:
    rewards = torch.tensor([[[0.0, 1.0, 1.0, 0.0], [0.1, 0.1, 0.1, 0.1], [1.0, 0.0, 0.0, 0.0]]])
    found = group_advantages(rewards.double())[0]
    deviation = math.sqrt(4 * 0.25 / 3) + 1e-4
    assert found[0].tolist() == pytest.approx(
        [-0.5 / deviation, *[0.5 / deviation] * 2, -0.5 / deviation]
    )
    assert found[1].tolist() == [0, 0, 0, 0]
    unscaled = group_advantages(rewards.double(), scaled=False)[0]
    assert unscaled[2].tolist() == [0.75, -0.25, -0.25, -0.25]
    tenths = torch.full((1, 1, 3), 0.1, dtype=torch.float64)
    assert tenths.mean(dim=-1).item() != 0.1
    assert group_advantages(tenths).tolist() == [[[0, 0, 0]]]
    assert group_advantages(torch.ones(1, 1, 1)).tolist() == [[[0]]]


def _descend(stack: Stack, tokens: Tensor, weights: Tensor, live: list[int]) -> None:
    stack.clear_gradients()
    ReferenceBackend(stack).train(Batch(tokens=tokens, weights=weights), live)
    stack.parameters -= 0.1 * stack.gradients


def test_steps_on_the_weights_of_dpo_widen_the_margin() -> None:
    stack, (tokens, answers) = make(1, 2), rows(2, 2 * PAIRS)
    reference = sequence_scores(losses_of(stack, tokens).detach(), answers)
    found = []
    for _ in range(6):
        found.append(dpo(losses_of(stack, tokens).detach(), reference, answers, Preference()))
        _descend(stack, tokens, found[-1].weights, [0])
    assert all(later.loss[0] < sooner.loss[0] for sooner, later in pairwise(found))
    assert all(later.loss[1] == sooner.loss[1] for sooner, later in pairwise(found))
    assert found[-1].figures["reward_margin"][0] > 0
    assert found[-1].figures["preference_accuracy"].tolist() == [1, 0]


def _reinforce(stack: Stack, wanted: int, step: int) -> Tensor:
    """Sample, reward a token and take a step; return the mean reward of each member."""
    sampling = Sampling(samples=32, max_new_tokens=4, stop=0, vocabulary=VOCABULARY)
    drawn = [own[0] for own in sample(stack, [[[1, 2, 3]]] * 2, [step, 100 + step], sampling)]
    rewards = torch.tensor([[[row.count(wanted) / 4 for row in own]] for own in drawn])
    exchanges = [[([1, 2, 3], row) for row in own] for own in drawn]
    tokens, answers = lay_rows(exchanges, num_rows=32, length=8, padding=0)
    losses = losses_of(stack, tokens).detach()
    advantages = group_advantages(rewards).flatten(1)
    rollout = Rollout(answers=answers, sampled=losses, reference=losses, advantages=advantages)
    _descend(stack, tokens, grpo(losses, rollout, Reinforcement()).weights, [0, 1])
    return rewards.mean(dim=(1, 2))


def test_members_that_are_rewarded_for_a_token_write_it_more_often() -> None:
    stack = make(1, 2)
    means = torch.stack([_reinforce(stack, 5, step) for step in range(20)])
    assert (means[-4:].mean(dim=0) > means[:4].mean(dim=0) + 0.2).all()
