from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import CONTEXT, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.schedule.plan import Plan
from mixopt.training.feed import Feed, Leg, legs_of
from mixopt.training.lane import Member, plan_of


def _plan(store: TokenStore, *, seed: int = 0, share: float = 0.5) -> Plan:
    member = Member(trial="t", seed=seed, schedule=schedule_at(store, share))
    return plan_of(member, PROXY, store)


def _stage_at(plan: Plan, leg: Leg, step: int) -> tuple[int, int]:
    """Walk the stages of a leg one step at a time."""
    walked = [(stage, n) for stage in leg.stages for n in range(plan.stages[stage].steps)]
    return walked[step]


def test_legs_join_stages_of_one_kind(tiny_store: TokenStore) -> None:
    pretraining, tuning = legs_of(_plan(tiny_store, share=0.3))
    assert (pretraining.kind, pretraining.stages, pretraining.name) == ("lm", (0, 1), "late")
    assert (tuning.kind, tuning.stages, tuning.name) == ("sft", (2,), "sft")
    assert (pretraining.steps, tuning.steps) == (12, 5)


@pytest.mark.parametrize("number", [0, 1])
def test_batches_are_the_rows_of_the_plan(tiny_store: TokenStore, number: int) -> None:
    plans = [_plan(tiny_store, seed=1, share=0.3), _plan(tiny_store, seed=2, share=0.7)]
    leg = legs_of(plans[0])[number]
    assert leg == legs_of(plans[1])[number]
    feed = Feed(plans, leg, tiny_store, CONTEXT)
    for step in range(leg.steps):
        tokens = feed.batch(step).tokens
        for member, plan in enumerate(plans):
            stage, inside = _stage_at(plan, leg, step)
            draw = plan.draw(stage, np.array([inside]))
            for row, (domain, sequence) in enumerate(
                zip(draw.domains[0], draw.sequences[0], strict=True)
            ):
                source = tiny_store.domain(plan.domains[domain], "train")
                expected = source.gather(np.array([sequence]), CONTEXT).tokens[0]
                np.testing.assert_array_equal(tokens[member, row].numpy(), expected)


def test_examples_bring_answers_and_segments(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store)
    text, tuning = legs_of(plan)
    assert Feed([plan], text, tiny_store, CONTEXT).batch(0).answers is None
    batch = Feed([plan], tuning, tiny_store, CONTEXT).batch(3)
    rows = tiny_store.domain("chat", "train").gather(
        plan.draw(2, np.array([3])).sequences[0], CONTEXT
    )
    assert batch.answers is not None
    assert batch.segments is not None
    np.testing.assert_array_equal(batch.answers[0].numpy(), rows.answers)
    np.testing.assert_array_equal(batch.segments[0].numpy(), rows.segments)


def test_steps_may_be_asked_for_in_any_order(tiny_store: TokenStore) -> None:
    long = PROXY.model_copy(
        update={"training": PROXY.training.model_copy(update={"lm_tokens": 70 * 2 * CONTEXT})}
    )
    plan = plan_of(Member(trial="t", seed=0, schedule=schedule_at(tiny_store)), long, tiny_store)
    leg = legs_of(plan)[0]
    ordered = Feed([plan], leg, tiny_store, CONTEXT)
    forward = [ordered.batch(step).tokens for step in range(leg.steps)]
    jumping = Feed([plan], leg, tiny_store, CONTEXT)
    for step in (69, 0, 40, 33, 64, 31, 32):
        assert torch.equal(jumping.batch(step).tokens, forward[step])


def test_rates_follow_each_members_own_stages(tiny_store: TokenStore) -> None:
    plans = [_plan(tiny_store, share=0.3), _plan(tiny_store, share=0.7)]
    leg = legs_of(plans[0])[0]
    feed = Feed(plans, leg, tiny_store, CONTEXT)
    for step in range(leg.steps):
        for member, plan in enumerate(plans):
            stage, inside = _stage_at(plan, leg, step)
            part = plan.stages[stage]
            expected = part.stage.learning_rate.at((inside + 1) / part.steps)
            assert feed.rates(step)[member] == pytest.approx(float(expected))


def test_an_epoch_shows_every_sequence_of_the_pool_before_any_comes_again(
    tiny_store: TokenStore,
) -> None:
    longer = PROXY.training.model_copy(update={"sft_tokens": 40 * 2 * CONTEXT})
    proxy = PROXY.model_copy(update={"training": longer})
    plan = plan_of(Member(trial="t", seed=3, schedule=schedule_at(tiny_store)), proxy, tiny_store)
    size = next(pool.num_sequences for pool in plan.pools if pool.domain == "chat")
    feed = Feed([plan], legs_of(plan)[1], tiny_store, CONTEXT)
    shown = [row.numpy().tobytes() for step in range(40) for row in feed.batch(step).tokens[0]]
    assert len(shown) > size
    pool = set(shown)
    assert len(pool) == size
    assert all(shown.count(row) in {len(shown) // size, len(shown) // size + 1} for row in pool)
