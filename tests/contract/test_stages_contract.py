"""What holds for every kind of stage in the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import CONTEXT, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.schedule.schedule import StageKind
from mixopt.training.feed import Feed, StackBatch, legs_of
from mixopt.training.lane import Member, plan_of
from mixopt.training.loop import LOSSES, train_leg

each_kind = pytest.mark.parametrize("kind", list(LOSSES))
pytestmark = pytest.mark.usefixtures("one_thread")


def _batch(store: TokenStore, kind: StageKind, seeds: list[int]) -> StackBatch:
    return _feed(store, kind, seeds).batch(0)


def _feed(store: TokenStore, kind: StageKind, seeds: list[int]) -> Feed:
    schedule = schedule_at(store)
    plans = [plan_of(Member(trial="t", seed=s, schedule=schedule), PROXY, store) for s in seeds]
    leg = next(leg for leg in legs_of(plans[0]) if leg.kind == kind)
    return Feed(plans, leg, store, CONTEXT)


def _stack(seeds: list[int]) -> Stack:
    return Stack.initialize(PROXY, vocabulary=264, seeds=seeds)


@each_kind
def test_loss_is_finite_and_near_chance_at_the_start(
    tiny_store: TokenStore, kind: StageKind
) -> None:
    losses = LOSSES[kind](_stack([1, 2, 3]), _batch(tiny_store, kind, [1, 2, 3]))
    assert losses.shape == (3,)
    np.testing.assert_allclose(losses.detach().numpy(), np.log(264), rtol=0.3)


@each_kind
def test_a_members_loss_and_gradient_are_its_own(tiny_store: TokenStore, kind: StageKind) -> None:
    both, alone = _stack([1, 2]), _stack([2])
    together = LOSSES[kind](both, _batch(tiny_store, kind, [1, 2]))
    single = LOSSES[kind](alone, _batch(tiny_store, kind, [2]))
    together.sum().backward()  # type: ignore[no-untyped-call]
    single.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(together[1:], single)
    assert torch.equal(both.gradients[1], alone.gradients[0])
    assert bool(alone.gradients.any())


@each_kind
def test_the_gradient_is_that_of_the_loss(tiny_store: TokenStore, kind: StageKind) -> None:
    stack, batch = _stack([1]), _batch(tiny_store, kind, [1])
    LOSSES[kind](stack, batch).sum().backward()  # type: ignore[no-untyped-call]
    direction = stack.gradients / stack.gradients.norm()
    step = 1e-2
    values = []
    for sign in (1, -1):
        moved = Stack(PROXY, vocabulary=264, parameters=stack.parameters + sign * step * direction)
        values.append(LOSSES[kind](moved, batch).item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(
        stack.gradients.norm().item(), rel=0.02
    )


@each_kind
def test_a_leg_lowers_the_loss_and_reports_every_step(
    tiny_store: TokenStore, kind: StageKind
) -> None:
    stack, feed = _stack([1, 2]), _feed(tiny_store, kind, [1, 2])
    done: list[int] = []
    plan = plan_of(Member(trial="t", seed=1, schedule=schedule_at(tiny_store)), PROXY, tiny_store)
    leg = next(leg for leg in legs_of(plan) if leg.kind == kind)
    report = train_leg(stack, AdamW(stack), feed, leg, base_rate=3e-2, progress=done.append)
    losses = np.array(report.losses)
    assert losses.shape == (leg.steps, 2)
    assert (losses[-1] < losses[0]).all()
    assert done == [1] * leg.steps
    assert report.diverged == {}


@each_kind
def test_a_rate_of_zero_changes_nothing(tiny_store: TokenStore, kind: StageKind) -> None:
    stack, feed = _stack([1]), _feed(tiny_store, kind, [1])
    before = stack.parameters.clone()
    plan = plan_of(Member(trial="t", seed=1, schedule=schedule_at(tiny_store)), PROXY, tiny_store)
    leg = next(leg for leg in legs_of(plan) if leg.kind == kind)
    train_leg(stack, AdamW(stack), feed, leg, base_rate=0.0, progress=lambda _: None)
    assert torch.equal(stack.parameters, before)
