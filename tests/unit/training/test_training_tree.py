from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lanes import LATES, family, member, tree_of
from tiny import PROXY, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.schedule.curve import constant
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.plan import Plan
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Schedule
from mixopt.training.feed import Feed
from mixopt.training.lane import plan_of
from mixopt.training.tree import (
    Member,
    naive_steps,
    share_out,
    stage_keys,
    unique_steps,
    walk,
)


def _plan(store: TokenStore, schedule: Schedule, seed: int = 1) -> Plan:
    return plan_of(Member(trial="t", seed=seed, schedule=schedule), PROXY, store)


def _keys(store: TokenStore, schedule: Schedule, seed: int = 1, ground: str = "") -> list[str]:
    return list(stage_keys(_plan(store, schedule, seed), ground))


def _common(left: list[str], right: list[str]) -> int:
    """Return how many stages two schedules have in common."""
    equal = [a == b for a, b in zip(left, right, strict=True)]
    assert equal == sorted(equal, reverse=True)
    return sum(equal)


def _changed(schedule: Schedule, number: int, **changes: object) -> Schedule:
    stages = list(schedule.stages)
    stages[number] = replace(stages[number], **changes)  # type: ignore[arg-type]
    return replace(schedule, stages=tuple(stages))


def test_members_that_begin_alike_share_nodes(tiny_store: TokenStore) -> None:
    members = family(tiny_store)
    (root,) = tree_of(tiny_store, members)
    assert root.members == tuple(members)
    assert (root.kind, root.name, root.steps, root.ends_leg) == ("lm", "early", 6, False)
    assert [child.members for child in root.children] == [(each,) for each in members]
    for child, each in zip(root.children, members, strict=True):
        (last,) = child.children
        assert (child.leg_steps, child.ends_leg, child.ending) == (6, True, ())
        assert (last.leg_steps, last.ends_leg, last.ending) == (0, True, (each,))


def test_steps_are_counted_as_by_hand(tiny_store: TokenStore) -> None:
    roots = tree_of(tiny_store, [*family(tiny_store), *family(tiny_store, seed=2)])
    assert len(roots) == 2
    assert naive_steps(roots) == 6 * (6 + 6 + 5)
    assert unique_steps(roots) == 2 * (6 + 3 * (6 + 5))
    assert [root.longest for root in roots] == [17, 17]
    assert len({node.key for node in walk(roots)}) == 2 * (1 + 3 + 3)


@pytest.mark.parametrize(
    ("number", "changes", "common"),
    [
        (0, {"learning_rate": RateShape(peak=0.5)}, 0),
        (0, {"name": "first"}, 0),
        (0, {"context_tokens": 64}, 0),
        (2, {"context_tokens": 64}, 3),
        (1, {"learning_rate": RateShape(decay=0.5)}, 1),
        (1, {"curve": constant(mixture_of({"prose": 1.0}))}, 1),
        (2, {"learning_rate": RateShape(peak=0.5)}, 2),
    ],
)
def test_a_key_covers_what_decides_numbers_and_no_more(
    tiny_store: TokenStore, number: int, changes: dict[str, object], common: int
) -> None:
    schedule = schedule_at(tiny_store)
    other = _changed(schedule, number, **changes)
    assert _common(_keys(tiny_store, schedule), _keys(tiny_store, other)) == common


def test_seed_and_ground_are_in_every_key(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    base = _keys(tiny_store, schedule)
    assert _common(base, _keys(tiny_store, schedule, seed=2)) == 0
    assert _common(base, _keys(tiny_store, schedule, ground="other")) == 0


def test_a_schedule_that_ends_earlier_ends_its_leg(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    short = replace(schedule, stages=schedule.stages[:2])
    left, right = _keys(tiny_store, schedule), _keys(tiny_store, short)
    assert left[:2] == right


def test_weights_that_round_to_the_same_quotas_are_one_node(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    nearly = mixture_of({"prose": 0.50001, "notes": 0.24999, "drills": 0.25})
    other = _changed(schedule, 0, curve=constant(nearly))
    assert other.digest != schedule.digest
    assert _common(_keys(tiny_store, schedule), _keys(tiny_store, other)) == 3


@pytest.mark.parametrize("late", [*LATES, {"drills": 0.5, "notes": 0.25, "prose": 0.25}])
@pytest.mark.parametrize("first", [{"prose": 1.0}, {"notes": 0.5, "prose": 0.5}])
def test_plans_with_equal_keys_draw_equal_rows(
    tiny_store: TokenStore, first: dict[str, float], late: dict[str, float]
) -> None:
    """Domains of later stages come into the plan, and must not move the rows before them."""
    base = _changed(schedule_at(tiny_store), 0, curve=constant(mixture_of(first)))
    other = _changed(base, 1, curve=constant(mixture_of(late)))
    plans = _plan(tiny_store, base), _plan(tiny_store, other)
    keys = [stage_keys(plan, "") for plan in plans]
    assert keys[0][0] == keys[1][0]
    for stage in range(_common(list(keys[0]), list(keys[1]))):
        feeds = [Feed(plan, stage, tiny_store) for plan in plans]
        for step in range(feeds[0].steps):
            rows = [feed.rows(step).tokens for feed in feeds]
            np.testing.assert_array_equal(rows[0], rows[1])


def test_an_unused_domain_is_no_difference(tiny_store: TokenStore) -> None:
    schedule = schedule_at(tiny_store)
    zero = mixture_of({"drills": 0.75, "prose": 0.25})
    tiny = mixture_of({"prose": 0.25, "notes": 1e-7, "drills": 0.7499999})
    keys = [
        _keys(tiny_store, _changed(schedule, 1, curve=constant(found))) for found in (zero, tiny)
    ]
    assert keys[0][0] == keys[1][0]
    assert (keys[0] == keys[1]) == _same_rows(tiny_store, schedule, zero, tiny)


def _same_rows(store: TokenStore, schedule: Schedule, *mixtures: object) -> bool:
    drawn = []
    for mixture in mixtures:
        plan = _plan(store, _changed(schedule, 1, curve=constant(mixture)))  # type: ignore[arg-type]
        feed = Feed(plan, 1, store)
        drawn.append(np.stack([feed.rows(step).tokens for step in range(feed.steps)]))
    return np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 20])
def test_trees_are_shared_out_whole_and_evenly(tiny_store: TokenStore, workers: int) -> None:
    members = [*family(tiny_store, 1), *family(tiny_store, 2)]
    members += [member(tiny_store, seed) for seed in range(3, 9)]
    roots = tree_of(tiny_store, members)
    parts = share_out(roots, workers)
    assert len(parts) == min(workers, len(roots))
    assert {root.key for part in parts for root in part} == {root.key for root in roots}
    loads = [unique_steps(part) for part in parts]
    best = max(sum(loads) / workers, *(unique_steps([root]) for root in roots))
    assert max(loads) <= 4 / 3 * best
