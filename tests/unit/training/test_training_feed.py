from __future__ import annotations

import numpy as np
import pytest
from tiny import CONTEXT, PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.schedule.plan import Plan
from mixopt.training.feed import Feed, stack_rows
from mixopt.training.lane import plan_of
from mixopt.training.tree import Member


def _plan(store: TokenStore, *, seed: int = 0, share: float = 0.5, **training: int) -> Plan:
    changed = PROXY.training.model_copy(update=training)
    proxy = PROXY.model_copy(update={"training": changed})
    member = Member(trial="t", seed=seed, schedule=schedule_at(store, share))
    return plan_of(member, proxy, store)


def _feed(store: TokenStore, plan: Plan, stage: int) -> Feed:
    return Feed(plan, stage, store)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_rows_are_those_of_the_plan(tiny_store: TokenStore, stage: int) -> None:
    plan = _plan(tiny_store, seed=1, share=0.3)
    feed = _feed(tiny_store, plan, stage)
    for step in range(feed.steps):
        tokens = feed.rows(step).tokens
        draw = plan.draw(stage, np.array([step]))
        for row, (domain, sequence) in enumerate(
            zip(draw.sources[0], draw.sequences[0], strict=True)
        ):
            source = tiny_store.domain(plan.sources[domain].domain, "train")
            expected = source.gather(np.array([sequence]), CONTEXT).tokens[0]
            np.testing.assert_array_equal(tokens[row], expected)


def test_examples_bring_answers_and_segments(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store)
    assert _feed(tiny_store, plan, 0).rows(0).answers is None
    found = _feed(tiny_store, plan, 2).rows(3)
    draw = plan.draw(2, np.array([3]))
    rows = tiny_store.domain("chat", "train").gather(draw.sequences[0], CONTEXT)
    assert found.answers is not None
    assert rows.answers is not None
    np.testing.assert_array_equal(found.answers, rows.answers)
    np.testing.assert_array_equal(found.segments, rows.segments)


def test_steps_may_be_asked_for_in_any_order(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store, lm_tokens=280 * 2 * CONTEXT)
    ordered, jumping = (_feed(tiny_store, plan, 0) for _ in range(2))
    forward = [ordered.rows(step).tokens for step in range(ordered.steps)]
    assert len(forward) == 140
    for step in (139, 0, 70, 64, 128, 63, 127):
        np.testing.assert_array_equal(jumping.rows(step).tokens, forward[step])


def test_rates_follow_the_stage(tiny_store: TokenStore) -> None:
    plan = _plan(tiny_store, share=0.3)
    for stage, part in enumerate(plan.stages):
        found = _feed(tiny_store, plan, stage).rates
        shape = part.stage.learning_rate
        expected = [float(shape.at((step + 1) / part.steps)) for step in range(part.steps)]
        assert found.tolist() == pytest.approx(expected)


def test_an_epoch_shows_every_sequence_of_the_pool_before_any_comes_again(
    tiny_store: TokenStore,
) -> None:
    plan = _plan(tiny_store, seed=3, sft_tokens=40 * 2 * CONTEXT)
    size = next(pool.num_sequences for pool in plan.pools if pool.domain == "chat")
    feed = _feed(tiny_store, plan, 2)
    shown = [row.tobytes() for step in range(40) for row in feed.rows(step).tokens]
    assert len(shown) > size
    pool = set(shown)
    assert len(pool) == size
    assert all(shown.count(row) in {len(shown) // size, len(shown) // size + 1} for row in pool)


def test_idle_slots_get_zeros(tiny_store: TokenStore) -> None:
    rows = _feed(tiny_store, _plan(tiny_store), 2).rows(0)
    stacked = stack_rows([None, rows, None])
    assert stacked.answers is not None
    assert stacked.segments is not None
    for part, own in ((stacked.tokens, rows.tokens), (stacked.segments, rows.segments)):
        assert part.shape == (3, 2, CONTEXT + 1)
        np.testing.assert_array_equal(part[1], own)
        assert not part[[0, 2]].any()


def test_a_batch_needs_rows() -> None:
    with pytest.raises(ValueError, match="without rows"):
        stack_rows([None, None])
