from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from tiny import CONTEXT, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.training import loop
from mixopt.training.feed import Feed, StackBatch, legs_of
from mixopt.training.lane import Member, plan_of
from mixopt.training.loop import LegReport, train_leg
from mixopt.training.stages import lm

pytestmark = pytest.mark.usefixtures("one_thread")


def _train(store: TokenStore) -> tuple[Stack, LegReport, list[torch.Tensor]]:
    """Train two members through the first leg; return their parameters before every step too."""
    schedule = schedule_at(store)
    plans = [plan_of(Member(trial="t", seed=s, schedule=schedule), PROXY, store) for s in (1, 2)]
    stack = Stack.initialize(PROXY, vocabulary=264, seeds=[1, 2])
    leg, history = legs_of(plans[0])[0], [stack.parameters.clone()]
    report = train_leg(
        stack,
        AdamW(stack),
        Feed(plans, leg, store, CONTEXT),
        leg,
        base_rate=1e-2,
        progress=lambda _: history.append(stack.parameters.clone()),
    )
    return stack, report, history


@pytest.mark.parametrize("failure", [math.nan, math.inf])
def test_a_member_that_failed_once_never_learns_again(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch, failure: float
) -> None:
    calls: list[int] = []

    def failing(stack: Stack, batch: StackBatch) -> torch.Tensor:
        calls.append(1)
        factor = torch.tensor([1.0, failure if len(calls) == 5 else 1.0])
        return lm.loss(stack, batch) * factor

    calm, _, _ = _train(tiny_store)
    losses: Mapping[str, object] = {"lm": failing}
    monkeypatch.setattr(loop, "LOSSES", losses)
    stack, report, history = _train(tiny_store)
    assert report.diverged == {1: 4}
    assert torch.equal(stack.parameters[1], history[4][1])
    assert not torch.equal(history[4][1], history[3][1])
    assert torch.equal(stack.parameters[0], calm.parameters[0])


def test_every_step_has_a_loss_of_every_member(tiny_store: TokenStore) -> None:
    _, report, history = _train(tiny_store)
    assert report.steps == len(report.losses) == len(history) - 1 == 12
    assert all(len(row) == 2 and all(math.isfinite(loss) for loss in row) for row in report.losses)
