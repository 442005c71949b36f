"""Pivotal token search on planted tokens, whose success is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np
import pytest

from mixopt.seeds import generator
from mixopt.training.preferences.pivotal import (
    PivotalSettings,
    Prefix,
    Search,
    find_pivots,
    pair_tokens,
    token_advantages,
)

SETTINGS = dict.fromkeys(range(3), PivotalSettings(gap=0.2))
GOOD, BAD, OTHER = 1, 2, 0
CHANGES = {GOOD: 0.3, BAD: -0.3, OTHER: 0.001}


class Planted:
    """Success that starts at a half and moves with every good or bad token."""

    def __init__(self, start: float = 0.5) -> None:
        self.start = start
        self.calls: list[list[Prefix]] = []

    def __call__(self, prefixes: Sequence[Prefix]) -> list[float]:
        self.calls.append(list(prefixes))
        return [self.start + sum(CHANGES[token] for token in each.tokens) for each in prefixes]


def _answer(
    good: Sequence[int] = (), bad: Sequence[int] = (), *, size: int = 64, member: int = 0
) -> Prefix:
    tokens = [GOOD if at in good else BAD if at in bad else OTHER for at in range(size)]
    return Prefix(member=member, problem=0, tokens=tuple(tokens))


def _found(search: Search) -> set[tuple[int, int, int]]:
    return {(each.prefix.member, len(each.prefix.tokens), each.token) for each in search.pivots}


@pytest.mark.parametrize("place", [0, 1, 31, 32, 63])
@pytest.mark.parametrize("size", [64, 65, 100])
def test_a_planted_token_is_found_and_no_other(place: int, size: int) -> None:
    success = Planted()
    search = find_pivots([_answer([place], size=size)], success, SETTINGS)
    assert _found(search) == {(0, place, GOOD)}
    (pivot,) = search.pivots
    assert pivot.after - pivot.before == pytest.approx(0.3)
    assert search.num_estimates <= 2 + ceil(log2(size))
    assert search.num_estimates == sum(map(len, success.calls))


def test_answers_of_all_members_are_searched_in_calls_of_their_depth() -> None:
    stream = generator(0, "planted")
    places = stream.permuted(np.tile(np.arange(64), (12, 1)), axis=1)[:, :2].tolist()
    answers = [_answer([a], [b], member=m % 3) for m, (a, b) in enumerate(places)]
    success = Planted()
    search = find_pivots(answers, success, SETTINGS)
    assert len(success.calls) <= 2 + 6
    alone = [find_pivots([answer], Planted(), SETTINGS) for answer in answers]
    assert _found(search) == set().union(*map(_found, alone))
    assert search.num_estimates <= sum(each.num_estimates for each in alone)
    assert not any(len(call) != len(set(call)) for call in success.calls)


def test_changes_that_cancel_out_are_left_as_the_report_leaves_them() -> None:
    search = find_pivots([_answer([3], [40])], Planted(), SETTINGS)
    assert search.pivots == ()
    assert search.num_estimates == 2
    kept = find_pivots([_answer([3, 9], [40])], Planted(), SETTINGS)
    assert _found(kept) == {(0, 3, GOOD), (0, 9, GOOD), (0, 40, BAD)}


@pytest.mark.parametrize("start", [0.0, 0.19, 0.81, 1.0])
def test_prompts_out_of_reach_cost_one_estimate(start: float) -> None:
    search = find_pivots([_answer([5]), _answer([6])], Planted(start), SETTINGS)
    assert (search.pivots, search.paths, search.num_estimates) == ((), {}, 1)


def test_answers_that_begin_alike_share_estimates_and_pivots() -> None:
    first = _answer([3])
    second = Prefix(member=0, problem=0, tokens=(*first.tokens[:32], GOOD, *first.tokens[33:]))
    search = find_pivots([first, first, second], Planted(), SETTINGS)
    assert _found(search) == {(0, 3, GOOD), (0, 32, GOOD)}
    assert len(search.pivots) == 2
    assert list(search.paths) == [first, second]


def test_nothing_is_estimated_twice() -> None:
    long = _answer([3])
    success = Planted()
    find_pivots([long, long.cut(32)], success, SETTINGS)
    estimated = [prefix for call in success.calls for prefix in call]
    assert long.cut(16) in estimated
    assert len(estimated) == len(set(estimated))


def test_empty_and_no_answers_are_no_error() -> None:
    empty = Prefix(member=0, problem=0, tokens=())
    assert find_pivots([empty], Planted(), SETTINGS).num_estimates == 0
    assert find_pivots([], Planted(), SETTINGS).pivots == ()
    assert pair_tokens([], lambda _: [], Planted(), SETTINGS) == []


def test_pairs_are_of_the_best_and_the_worst_token_by_fresh_estimates() -> None:
    pivots = find_pivots([_answer([3]), _answer((), [3])], Planted(), SETTINGS).pivots
    success = Planted(0.4)
    (pair,) = pair_tokens(
        pivots, lambda prefixes: [[OTHER, OTHER]] * len(prefixes), success, SETTINGS
    )
    assert (pair.accepted, pair.rejected) == (GOOD, BAD)
    assert pair.accepted_success - pair.rejected_success == pytest.approx(0.6)
    assert len(pair.prefix.tokens) == 3
    assert [len(call) for call in success.calls] == [3]


def test_a_pivot_that_does_not_hold_up_gives_no_pair() -> None:
    pivots = find_pivots([_answer([3])], Planted(), SETTINGS).pivots
    levels = [0.5, 0.4]
    assert pair_tokens(pivots, lambda _: [[OTHER]], lambda _: levels, SETTINGS) == []
    least = {0: PivotalSettings(gap=0.0)}
    assert pair_tokens(pivots, lambda _: [[GOOD]], lambda _: [0.9], least) == []


def test_every_member_is_searched_by_its_own_settings() -> None:
    answers = [_answer([3], member=0), _answer([3], member=1), _answer([3], member=2)]
    strict = PivotalSettings(gap=0.5), PivotalSettings(gap=0.2, low=0.6)
    settings = {0: SETTINGS[0], 1: strict[0], 2: strict[1]}
    search = find_pivots(answers, Planted(), settings)
    assert _found(search) == {(0, 3, GOOD)}
    assert list(search.paths) == answers[:2]
    drawn = [[BAD]]
    assert len(pair_tokens(search.pivots, lambda _: drawn, Planted(), settings)) == 1
    wide = {0: PivotalSettings(gap=0.7)}
    assert pair_tokens(search.pivots, lambda _: drawn, Planted(), wide) == []


def test_token_advantages_stand_at_pivots_and_add_up() -> None:
    answer = _answer([3, 9], [40])
    path = find_pivots([answer], Planted(), SETTINGS).paths[answer]
    advantages = token_advantages(path, 64)
    assert advantages[[3, 9, 40]] == pytest.approx([0.3, 0.3, -0.3])
    assert np.abs(np.delete(advantages, [3, 9, 40])).max() < 0.2
    assert advantages.sum() == pytest.approx(path[-1][1] - path[0][1])
    assert not token_advantages(((0, 0.5),), 4).any()
