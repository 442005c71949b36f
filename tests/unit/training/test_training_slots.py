from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import PROXY

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.model import Stack
from mixopt.proxy.planner import LanePlan
from mixopt.training.slots import Slots
from mixopt.training.states import State

pytestmark = pytest.mark.usefixtures("one_thread")


def _slots(width: int = 3) -> Slots:
    plan = LanePlan(members=width, micro_sequences=2, bytes=0)
    return Slots(PROXY, vocabulary=264, plan=plan, device="cpu")


def _rows(seed: int) -> Rows:
    return Rows(tokens=np.random.default_rng(seed).integers(0, 256, (2, 33)))


def _train(slots: Slots, slot: int, steps: int, first: int = 0) -> State:
    """Train one slot, the others idle, and take its state."""
    for step in range(first, first + steps):
        slots.gradients("lm", [_rows(step) if n == slot else None for n in range(slots.width)])
        slots.update({slot: 1e-2})
    return slots.take(slot)


def _equal(left: State, right: State) -> bool:
    assert left.first_moments is not None
    assert right.first_moments is not None
    same = torch.equal(left.first_moments, right.first_moments)
    return same and torch.equal(left.parameters, right.parameters) and left.steps == right.steps


def test_a_fresh_member_is_that_of_its_seed() -> None:
    expected = Stack.initialize(PROXY, vocabulary=264, seeds=[7]).parameters[0]
    assert torch.equal(_slots().initial(7).parameters, expected)


def test_a_state_goes_on_in_another_slot_of_another_lane() -> None:
    slots = _slots()
    slots.load(1, slots.initial(7))
    half = _train(slots, 1, 3)
    whole = _train(slots, 1, 3, first=3)
    other = _slots(5)
    other.load(4, half)
    assert _equal(_train(other, 4, 3, first=3), whole)
    assert half.steps == 3.0


def test_a_taken_state_is_a_copy() -> None:
    slots = _slots()
    slots.load(0, slots.initial(7))
    taken = slots.take(0)
    before = taken.parameters.clone()
    _train(slots, 0, 1)
    assert torch.equal(taken.parameters, before)


def test_idle_slots_stay_empty_and_have_no_loss() -> None:
    slots = _slots()
    slots.load(1, slots.initial(7))
    losses = slots.gradients("lm", [None, _rows(0), None])
    slots.update({1: 1e-2})
    assert [math.isnan(loss) for loss in losses] == [True, False, True]
    assert not slots.stack.parameters[[0, 2]].any()
    slots.clear(1)
    assert not slots.stack.parameters.any()
    assert not slots.optimizer.first_moments.any()


@pytest.mark.parametrize(
    ("loss", "norm", "leg_step", "lost"),
    [
        (5.0, 1.0, 0, False),
        (math.nan, 1.0, 0, True),
        (5.0, math.inf, 0, True),
        (3.1 * math.log(264), 1.0, 9, False),
        (3.1 * math.log(264), 1.0, 10, True),
        (2.9 * math.log(264), 1.0, 10, False),
    ],
)
def test_a_member_is_lost_when_nothing_is_finite_or_it_is_far_worse_than_guessing(
    loss: float, norm: float, leg_step: int, *, lost: bool
) -> None:
    assert _slots(1).has_diverged(loss, norm, leg_step) is lost
