"""What holds for every kind of stage in the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny import PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.model import Stack
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.schedule import StageKind
from mixopt.training.feed import Feed, stack_rows
from mixopt.training.lane import plan_of
from mixopt.training.slots import Slots
from mixopt.training.stages.table import BATCHES
from mixopt.training.tree import Member

each_kind = pytest.mark.parametrize("kind", list(BATCHES))
pytestmark = pytest.mark.usefixtures("one_thread")


def _feeds(store: TokenStore, kind: StageKind, seeds: Sequence[int]) -> list[Feed]:
    schedule = schedule_at(store)
    stage = next(n for n, each in enumerate(schedule.stages) if each.kind == kind)
    plans = [plan_of(Member(trial="t", seed=s, schedule=schedule), PROXY, store) for s in seeds]
    return [Feed(plan, stage, store) for plan in plans]


def _batch(store: TokenStore, kind: StageKind, seeds: Sequence[int]) -> Batch:
    return BATCHES[kind](stack_rows([feed.rows(0) for feed in _feeds(store, kind, seeds)]))


def _stack(seeds: Sequence[int]) -> Stack:
    return Stack.initialize(PROXY, vocabulary=264, seeds=seeds)


@each_kind
def test_loss_is_finite_and_near_chance_at_the_start(
    tiny_store: TokenStore, kind: StageKind
) -> None:
    seeds = [1, 2, 3]
    losses = make_backend(_stack(seeds)).train(_batch(tiny_store, kind, seeds), range(3))
    assert losses.shape == (3,)
    np.testing.assert_allclose(losses.numpy(), np.log(264), rtol=0.3)


@each_kind
def test_weights_of_a_member_sum_to_one(tiny_store: TokenStore, kind: StageKind) -> None:
    batch = _batch(tiny_store, kind, [1, 2])
    if batch.weights is not None:
        torch.testing.assert_close(batch.weights.sum(dim=(1, 2)), torch.ones(2))


@each_kind
def test_a_members_loss_and_gradient_are_its_own(tiny_store: TokenStore, kind: StageKind) -> None:
    both, alone = _stack([1, 2]), _stack([2])
    together = make_backend(both).train(_batch(tiny_store, kind, [1, 2]), [0, 1])
    single = make_backend(alone).train(_batch(tiny_store, kind, [2]), [0])
    assert torch.equal(together[1:], single)
    assert torch.equal(both.gradients[1], alone.gradients[0])
    assert bool(alone.gradients.any())


@each_kind
def test_the_gradient_is_that_of_the_loss(tiny_store: TokenStore, kind: StageKind) -> None:
    stack, batch = _stack([1]), _batch(tiny_store, kind, [1])
    ReferenceBackend(stack).train(batch, [0])
    direction = stack.gradients / stack.gradients.norm()
    step = 1e-2
    values = []
    for sign in (1, -1):
        moved = Stack(PROXY, vocabulary=264, parameters=stack.parameters + sign * step * direction)
        values.append(ReferenceBackend(moved).train(batch, [0]).item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(
        stack.gradients.norm().item(), rel=0.02
    )


def _slots() -> Slots:
    plan = LanePlan(members=2, micro_sequences=2, bytes=0)
    slots = Slots(PROXY, vocabulary=264, plan=plan, device="cpu")
    for slot in range(2):
        slots.load(slot, slots.initial(slot + 1))
    return slots


@each_kind
def test_a_stage_lowers_the_loss(tiny_store: TokenStore, kind: StageKind) -> None:
    slots, feeds = _slots(), _feeds(tiny_store, kind, [1, 2])
    losses = []
    for step in range(feeds[0].steps):
        losses.append(slots.gradients(kind, [feed.rows(step) for feed in feeds]))
        slots.update({0: 3e-2, 1: 3e-2})
    assert (np.array(losses[-1]) < losses[0]).all()


@each_kind
def test_a_rate_of_zero_changes_nothing(tiny_store: TokenStore, kind: StageKind) -> None:
    slots, feeds = _slots(), _feeds(tiny_store, kind, [1, 2])
    before = slots.stack.parameters.clone()
    slots.gradients(kind, [feed.rows(0) for feed in feeds])
    slots.update({0: 0.0, 1: 3e-2})
    assert torch.equal(slots.stack.parameters[0], before[0])
    assert not torch.equal(slots.stack.parameters[1], before[1])
